"""The locked packages: the audit reports that it did not run, and the bill of materials names each package."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cyclonedx.model.bom import Bom

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "requirements"))
import audit  # noqa: E402
import sbom  # noqa: E402


@pytest.mark.parametrize(
    ("stdout", "code", "said"),
    [
        ("", 1, "not checked: the vulnerability service did not answer (ConnectionError: no route)"),
        ('{"dependencies": []}', 1, "not checked: the service did not answer for 0 of 0 packages"),
        (
            '{"dependencies": [{"name": "a", "skip_reason": "not found"}]}',
            1,
            "not checked: the service did not answer for 1 of 1 packages",
        ),
        (
            '{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}',
            0,
            "No known vulnerabilities in 1 packages.",
        ),
        (
            '{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}]}',
            2,
            "a 1: CVE-1, fixed in 2",
        ),
    ],
)
def test_the_audit_says_when_it_was_not_made(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stdout: str, code: int, said: str
) -> None:
    def answer(*_: Any, **__: Any) -> SimpleNamespace:
        return SimpleNamespace(stdout=stdout, stderr="Traceback\nConnectionError: no route\n")

    monkeypatch.setattr(subprocess, "run", answer)
    assert audit.audit() == code
    assert capsys.readouterr().out.strip() == said


def test_the_bill_of_materials_names_each_locked_package() -> None:
    document = json.loads(sbom.write_sbom("1.0"))
    locked = re.findall(r"^([\w.-]+)==([^ ;\\]+)", (ROOT / "requirements/runtime.txt").read_text(), re.MULTILINE)
    assert {(part["name"], part["version"]) for part in document["components"]} == set(locked)
    assert all(part["externalReferences"][0]["hashes"] for part in document["components"])
    assert len(Bom.from_json(document).components) == len(locked)  # type: ignore[attr-defined]  # added by a decorator
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")


def test_ci_runs_the_audit_and_builds_the_bill() -> None:
    steps = (ROOT / ".ci/run").read_text()
    assert "requirements/audit.py" in steps
    assert re.search(r"^make .*\bsbom\b", steps, re.MULTILINE)
