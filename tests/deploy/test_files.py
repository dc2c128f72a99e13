"""The files in `deploy/`: the units are valid, the example of settings is complete, and one place sends HSTS."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from billing_admin.config import Settings
from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_units_are_valid(tmp_path: Path) -> None:
    for unit in (DEPLOY / "systemd").iterdir():
        text = re.sub(r"/srv/billing-admin/.venv/bin/\w+", "/bin/true", unit.read_text())
        (tmp_path / unit.name).write_text(text)
    units = sorted(str(path) for path in tmp_path.iterdir())
    result = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    complaints = [line for line in result.stderr.splitlines() if "billing" in line]
    assert complaints == []


def test_every_timer_has_its_service_and_every_service_is_hardened() -> None:
    units = DEPLOY / "systemd"
    for timer in units.glob("*.timer"):
        assert timer.with_suffix(".service").exists()
    for service in units.glob("*.service"):
        lines = set(service.read_text().splitlines())
        assert {"NoNewPrivileges=yes", "ProtectSystem=strict", "User=billing", "UMask=0077"} <= lines, service


def test_the_example_names_settings_that_exist() -> None:
    names = re.findall(r"^#?BILLING_([A-Z_]+)=", (DEPLOY / "billing.env").read_text(), re.MULTILINE)
    assert len(names) > 10
    assert {name.lower() for name in names} <= set(Settings.model_fields)


def test_only_the_program_sends_hsts() -> None:
    for file in (DEPLOY / "nginx/billing.conf", DEPLOY / "caddy/Caddyfile"):
        directives = [line for line in file.read_text().splitlines() if not line.lstrip().startswith("#")]
        assert "strict-transport" not in "\n".join(directives).lower()


@pytest.mark.skipif(shutil.which("caddy") is None, reason="caddy is not installed")
def test_caddy_reads_its_configuration() -> None:
    command = ["caddy", "adapt", "--adapter", "caddyfile", "--config", str(DEPLOY / "caddy/Caddyfile")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "request_body" in result.stdout
