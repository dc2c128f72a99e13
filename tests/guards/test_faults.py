"""`docs/operations.md` names tests for each fault, and each of these tests exists."""

from tests.guards.test_security import ROOT, TEST, names_in

HEAD = "| fault | one sees | to do | tests |"


def test_each_fault_has_tests_that_exist() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    rows = text.partition(HEAD)[2].partition("\n\n")[0].splitlines()[2:]
    assert len(rows) >= 26
    for row in rows:
        fault, _, _, tests = row[2:-2].split(" | ")
        named = TEST.findall(tests)
        assert named, fault
        assert ", ".join(f"`{path}::{name}`" for path, name in named) == tests, fault
        assert [name for path, name in named if name not in names_in(path)] == [], fault
