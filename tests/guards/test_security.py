"""`docs/security.md` names a test for each of its 48 checks, and each of these tests exists."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"\| (\d+) \| (.+?) \| (.+) \|")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
CODE = sorted(path for folder in ("billing_admin", "client") for path in (ROOT / folder).rglob("*.py"))
# Calls that run code or a shell from a text, and modules that run code from the data they read.
RUNNING = {"eval", "exec", "__import__", "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
LOADING = {"dill", "marshal", "pickle", "shelve", "yaml"}
SQL = re.compile(r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE|ALTER|DROP|WITH)\b")
# How many texts of SQL have parts put into them: names of tables, columns and triggers of ours, or SQL of SQLAlchemy.
SQL_FROM_PARTS = {
    "billing_admin/backup/databases.py": 3,
    "billing_admin/db/bulk.py": 1,
    "billing_admin/db/lookup.py": 1,
    "billing_admin/db/transactions.py": 1,
    "billing_admin/http/rate_limit_storage.py": 1,
    "billing_admin/models/audit.py": 3,
    "billing_admin/models/document_triggers.py": 3,
}


def rows() -> list[tuple[int, str]]:
    """Return the number and the tests of each row."""
    lines = (ROOT / "docs" / "security.md").read_text().splitlines()
    return [(int(match[1]), match[3]) for line in lines if (match := ROW.fullmatch(line))]


@cache
def names_in(path: str) -> frozenset[str]:
    """Return the names of the tests in a file."""
    return frozenset(re.findall(r"^def (test_\w+)\(", (ROOT / path).read_text(), re.MULTILINE))


def test_each_check_has_one_row() -> None:
    assert [number for number, _ in rows()] == list(range(1, 49))


def test_each_named_test_exists() -> None:
    for number, tests in rows():
        named = TEST.findall(tests)
        assert ", ".join(f"`{path}::{name}`" for path, name in named) == tests, number
        assert [name for path, name in named if name not in names_in(path)] == [], number


def test_each_test_that_names_a_check_is_in_its_row() -> None:
    rows_by_number = dict(rows())
    for path in (ROOT / "tests").rglob("test_*.py"):
        for name, number in re.findall(r"^def (test_check_(\d+)_\w+)", path.read_text(), re.MULTILINE):
            assert name in rows_by_number[int(number)], name


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Return all parts of a module's syntax tree."""
    return tuple(ast.walk(ast.parse(path.read_text())))


def name_of(function: ast.expr) -> str:
    """Return the name of a called function, with that of its module; empty if it is the result of an expression."""
    match function:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id=module), attr=name):
            return f"{module}.{name}"
        case _:
            return ""


def is_sql_from_parts(node: ast.AST) -> bool:
    """Return whether a text begins as SQL and has values put into it."""
    match node:
        case ast.JoinedStr(values=[ast.Constant(value=str(begin)), _, *_]):
            return SQL.match(begin) is not None
        case ast.BinOp(left=ast.Constant(value=str(begin)), op=ast.Mod() | ast.Add()):
            return SQL.match(begin) is not None
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(begin)), attr="format")):
            return SQL.match(begin) is not None
        case _:
            return False


def test_check_40_no_code_or_shell_runs_from_a_text() -> None:
    wrong = []
    for path in CODE:
        for node in nodes_of(path):
            match node:
                case ast.Import(names=names):
                    wrong += [(path.name, alias.name) for alias in names if alias.name.partition(".")[0] in LOADING]
                case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in LOADING:
                    wrong.append((path.name, module))
                case ast.Call(func=function, keywords=keywords):
                    if name_of(function) in RUNNING or any(keyword.arg == "shell" for keyword in keywords):
                        wrong.append((path.name, ast.unparse(node)))
                case _:
                    pass
    assert wrong == []


def test_check_40_no_sql_is_made_of_values() -> None:
    counts = {str(path.relative_to(ROOT)): sum(map(is_sql_from_parts, nodes_of(path))) for path in CODE}
    assert {path: count for path, count in counts.items() if count} == SQL_FROM_PARTS
