"""JSON texts in the form of PostgreSQL's JSONB.

Exports are therefore the same on both databases.
"""

import json
from typing import Any


def canonical_json(text: str) -> str:
    """Return a JSON text in the form of JSONB.

    Keys are ordered by length, then by bytes; only characters that must be escaped are escaped.
    """
    return json.dumps(_ordered(json.loads(text)), ensure_ascii=False, allow_nan=False)


def _ordered(value: Any) -> Any:
    if isinstance(value, list):
        return [_ordered(element) for element in value]
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value, key=_sort_key)}
    return value


def _sort_key(key: str) -> tuple[int, bytes]:
    encoded = key.encode()
    return len(encoded), encoded
