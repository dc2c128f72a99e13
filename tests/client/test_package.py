"""The distribution: it supports old Pythons, is typed, and needs only urllib3. `make client` builds and installs it."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import billing_client
import pytest

from tests.conftest import ROOT

FOLDER = ROOT / "client"
FILES = sorted(FOLDER.rglob("*.py"))
OLDEST = (3, 9)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(FOLDER).as_posix())
def test_the_oldest_python_can_read_it(file: Path) -> None:
    tree = ast.parse(file.read_text(), feature_version=OLDEST)
    future = any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)
    annotations = {id(inside) for node in ast.walk(tree) for part in _annotations(node) for inside in ast.walk(part)}
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr) and not (future and id(node) in annotations):
            assert not any(_is_type(side) for side in (node.left, node.right)), f"line {node.lineno}: | when it runs"


def _annotations(node: ast.AST) -> list[ast.expr]:
    annotations = [getattr(node, "annotation", None), getattr(node, "returns", None)]
    return [annotation for annotation in annotations if annotation is not None]


def _is_type(node: ast.expr) -> bool:
    """Return whether the node looks like a type: None, or a name with a capital letter."""
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return (isinstance(node, ast.Constant) and node.value is None) or (name[:1].isupper() and not name.isupper())


def test_it_needs_urllib3_alone_and_is_typed() -> None:
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]
    assert [dependency.partition(">")[0] for dependency in project["dependencies"]] == ["urllib3"]
    assert project["requires-python"] == ">=3.9"
    assert (FOLDER / "billing_client" / "py.typed").exists()
    imported = {
        name.partition(".")[0]
        for file in (FOLDER / "billing_client").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        for name in _imports(node)
    }
    # only type checkers read typing_extensions, and all of them include it
    assert imported - sys.stdlib_module_names == {"billing_client", "typing_extensions", "urllib3"}


def _imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def test_it_runs_without_what_only_type_checkers_read() -> None:
    code = "import sys; sys.modules['typing_extensions'] = None; import billing_client"
    subprocess.run([sys.executable, "-c", code], cwd=FOLDER, check=True)


def test_all_that_is_offered_is_there() -> None:
    assert sorted(billing_client.__all__) == list(billing_client.__all__)
    assert all(hasattr(billing_client, name) for name in billing_client.__all__)
