"""Which room may import which: the contracts of pyproject.toml, and the domain's in full."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOMAIN = ROOT / "billing_admin" / "domain"


def test_import_contracts() -> None:
    """In a process of its own: import-linter reads the files, and changes what is imported."""
    linter = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    result = subprocess.run([sys.executable, "-c", linter], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("module", sorted(DOMAIN.rglob("*.py")), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_domain_needs_only_the_standard_library(module: Path) -> None:
    assert [name for name in _imported(module) if not _allowed(name)] == []


def _allowed(name: str) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names or f"{name}.".startswith("billing_admin.domain.")


def _imported(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."
