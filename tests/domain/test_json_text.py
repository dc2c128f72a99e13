"""JSON texts in the form of PostgreSQL's JSONB."""

import pytest

from billing_admin.domain.json_text import canonical_json


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"bb":1,"a":2,"ab":3}', '{"a": 2, "ab": 3, "bb": 1}'),
        ('{"\u00e9":1,"zz":2,"y":3}', '{"y": 3, "zz": 2, "\u00e9": 1}'),  # é has two bytes, after zz
        ('[{"b":[],"a":{"d":null,"c":true}}]', '[{"a": {"c": true, "d": null}, "b": []}]'),
        ('"\\u00e9\\n\\u20ac"', '"\u00e9\\n\u20ac"'),
        ('{"a":1,"a":2}', '{"a": 2}'),
        ("{}", "{}"),
    ],
)
def test_keys_are_ordered_by_length_then_bytes(text: str, expected: str) -> None:
    assert canonical_json(text) == expected
    assert canonical_json(expected) == expected


@pytest.mark.parametrize("text", ["", "{", "{'a': 1}"])
def test_other_texts_are_errors(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        canonical_json(text)
