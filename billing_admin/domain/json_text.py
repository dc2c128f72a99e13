"""JSON in the one spelling in which files hold it: that of PostgreSQL's JSONB."""

import json
from typing import Any


def canonical_json(text: str) -> str:
    """Spell a JSON text anew: names in the order of their length, then of their bytes; nothing escaped that need not be."""
    return json.dumps(_ordered(json.loads(text)), ensure_ascii=False, allow_nan=False)


def _ordered(value: Any) -> Any:
    if isinstance(value, list):
        return [_ordered(one) for one in value]
    if isinstance(value, dict):
        return {name: _ordered(value[name]) for name in sorted(value, key=_place)}
    return value


def _place(name: str) -> tuple[int, bytes]:
    spelled = name.encode()
    return len(spelled), spelled
