"""The log: loggers of the standard library write the same JSON lines as structlog's."""

import io
import json
import logging

import pytest
import structlog

from billing_admin.logs import init_logs


def test_loggers_of_the_standard_library_write_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    init_logs()
    logging.getLogger("huey").warning("Queue %s is slow", "jobs")
    structlog.get_logger().warning("queue_slow", queue="jobs")
    foreign, own = map(json.loads, capsys.readouterr().err.splitlines())
    assert (foreign["event"], foreign["level"], foreign["logger"]) == ("Queue jobs is slow", "warning", "huey")
    assert (own["event"], own["level"], own["queue"]) == ("queue_slow", "warning", "jobs")
    assert foreign.keys() - {"logger"} == own.keys() - {"queue"}


def test_a_traceback_shows_no_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    init_logs()
    init_logs()  # a second application of the same process adds no second handler
    secret = "s3" + "cret"  # as a literal it would be in the line of code that a traceback shows
    try:
        json.loads("")
    except ValueError:
        logging.getLogger("huey").exception("A task failed")
    (line,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert "JSONDecodeError" in line["exception"]
    assert secret not in line["exception"]


def test_lines_go_to_the_standard_error_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test, or a server, may replace and close the stream that was there at the set-up."""
    closed = io.StringIO()
    monkeypatch.setattr("sys.stderr", closed)
    init_logs()
    logger = structlog.get_logger()
    closed.close()
    current = io.StringIO()
    monkeypatch.setattr("sys.stderr", current)
    logger.warning("queue_slow")
    logging.getLogger("huey").warning("slow")
    assert len(current.getvalue().splitlines()) == 2
