"""One commit point: nothing outside `db.transactions` ends a transaction, or opens one that may write."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "billing_admin"
COMMIT_POINT = PACKAGE / "db" / "transactions.py"
MODULES = sorted(PACKAGE.rglob("*.py"))
ENDING = {"commit", "rollback", "begin", "begin_nested", "savepoint", "two_phase"}
# Reading code has no business with these either: a row would wait for the next commit that comes along.
WRITING = {"add", "add_all", "delete", "merge", "flush", "bulk_save_objects"}


def _session_calls(path: Path, names: set[str]) -> list[str]:
    return [
        f"line {node.lineno}: {ast.unparse(node.func)}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names
    ]


def test_only_db_transactions_commits_and_rolls_back() -> None:
    ending = {path: _session_calls(path, ENDING) for path in MODULES if path != COMMIT_POINT}
    assert {path: calls for path, calls in ending.items() if calls} == {}


@pytest.mark.parametrize(
    "path", [*sorted((PACKAGE / "queries").rglob("*.py"))], ids=lambda path: path.relative_to(PACKAGE).as_posix()
)
def test_queries_only_read(path: Path) -> None:
    calls = [call for call in _session_calls(path, WRITING) if "session." in call]
    imported = {
        alias.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy")
        for alias in node.names
    }
    assert calls == []
    assert not imported & {"insert", "update", "delete"}


def test_there_is_one_commit() -> None:
    assert len(_session_calls(COMMIT_POINT, {"commit"})) == 1
