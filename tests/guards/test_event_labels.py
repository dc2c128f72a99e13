"""Audit events are shown in the language of the page: their actions, the types of their objects and their fields."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from billing_admin.domain import master_data
from billing_admin.domain.webhooks import EVENTS
from billing_admin.queries.audit import OBJECT_TYPES
from billing_admin.web.frame.event_labels import ACTION_LABELS, OBJECT_LABELS
from billing_admin.web.frame.field_labels import FIELD_LABELS

OPERATIONS = Path(__file__).resolve().parents[2] / "billing_admin" / "operations"
ACTION = re.compile(r"([a-z_]+)\.[a-z_]+")
# Functions and variables whose dictionaries are details of events.
OF_DETAILS = re.compile(r"details|_stored_fields|_audit_fields")
RULES = ("CONTACT_RULES", "CUSTOMER_RULES", "ORGANISATION_RULES", "SERVICE_RULES", "TAX_RATE_RULES")


def trees() -> Iterator[ast.Module]:
    """Yield the syntax trees of all operations."""
    yield from (ast.parse(path.read_text(encoding="utf-8")) for path in sorted(OPERATIONS.rglob("*.py")))


def actions() -> set[str]:
    """Return the actions that operations name."""
    constants = {node.value for tree in trees() for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    texts = {text for text in constants if isinstance(text, str) and text not in EVENTS}
    return {text for text in texts if (match := ACTION.fullmatch(text)) and match[1] in OBJECT_LABELS}


def keys(node: ast.AST) -> Iterator[str]:
    """Yield the constant keys of the dictionaries in a part of a syntax tree."""
    for part in ast.walk(node):
        if isinstance(part, ast.Dict):
            yield from (key.value for key in part.keys if isinstance(key, ast.Constant) and isinstance(key.value, str))


def fields() -> Iterator[str]:
    """Yield the names of the fields in details of events."""
    for tree in trees():
        for node in ast.walk(tree):
            match node:
                case ast.FunctionDef(name=name) if OF_DETAILS.search(name):
                    yield from keys(node)
                case ast.Assign(targets=[ast.Name(id=name)]) if OF_DETAILS.search(name):
                    yield from keys(node.value)
                case ast.Call(func=ast.Name(id="record" | "event_row")):
                    yield from keys(node)
                case _:
                    pass
    for rules in RULES:
        yield from getattr(master_data, rules)


def test_each_action_has_a_label() -> None:
    assert len(actions()) > 80
    assert actions() - ACTION_LABELS.keys() == set()


def test_each_type_of_objects_has_a_label() -> None:
    assert set(OBJECT_TYPES) - OBJECT_LABELS.keys() == set()


def test_each_field_has_a_label() -> None:
    names = set(fields())
    assert {"unit_price", "purchase_order", "status"} <= names
    assert names - FIELD_LABELS.keys() == set()
