"""The command that imports exchange rates."""

import json
from pathlib import Path

import pytest
from flask import Flask
from flask.cli import FlaskGroup
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.models import AuditEvent, ExchangeRate

TEXT = "currency,day,rate\nUSD,2026-11-27,1.0832\nJPY,2026-11-27,163.05\n"


def test_a_file_is_imported_once(app: Flask, session: Session, tmp_path: Path) -> None:
    path = tmp_path / "rates.csv"
    path.write_text(TEXT, encoding="utf-8")
    runner, group = app.test_cli_runner(), FlaskGroup(create_app=lambda: app)
    first = runner.invoke(group, ["import-rates", str(path)])
    assert (first.exit_code, first.stderr) == (0, "Exchange rates for EUR: 2 added, 0 changed, 0 already stored.\n")
    again = runner.invoke(group, ["import-rates", "-", "--json"], input=TEXT)
    assert json.loads(again.stdout) == {"added": 0, "changed": 0, "unchanged": 2}
    session.rollback()
    assert len(session.scalars(select(ExchangeRate)).all()) == 2
    assert session.scalars(select(AuditEvent.action)).all() == ["exchange_rate.set"]


@pytest.mark.parametrize(
    ("text", "message"), [("a,b\n", "columns currency, day and rate"), (TEXT + "USD,x,1\n", "Line 4")]
)
def test_a_wrong_file_is_rejected(app: Flask, session: Session, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "rates.csv"
    path.write_text(text, encoding="utf-8")
    result = app.test_cli_runner().invoke(FlaskGroup(create_app=lambda: app), ["import-rates", str(path)])
    assert result.exit_code == 5
    assert message in result.stderr
    assert session.scalars(select(ExchangeRate)).all() == []
