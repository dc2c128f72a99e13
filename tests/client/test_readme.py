"""The code blocks of the client's README, run in their order."""

import re
from pathlib import Path

import pytest
from billing_client import Client

from tests.conftest import ROOT

BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "client" / "README.md").read_text(), re.DOTALL)


def test_every_block_runs_as_written(
    home: str,
    token: str,
    billing: Client,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("BILLING_URL", home)
    monkeypatch.setenv("BILLING_TOKEN", token)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in BLOCKS:
        exec(compile(block, "README.md", "exec"), names)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["2.925 EUR False", "2500 0 0"]
    assert any(line.startswith("/quantity “many” is not a plain decimal") for line in lines)
    assert sum(1 for _ in billing.charges.list()) == 2502
    assert {invoice.status for invoice in billing.invoices.list()} == {"issued"}
