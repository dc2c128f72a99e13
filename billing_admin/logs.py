"""The log: one JSON object a line on standard error, in UTC.

Loggers of structlog and of the standard library write the same lines. A traceback never shows local variables, which may hold
secrets. gunicorn writes its own lines.
"""

import logging
import sys
from typing import TextIO

import structlog

_SHARED_PROCESSORS: list[structlog.typing.Processor] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def init_logs() -> None:
    """Configure structlog, and route the standard library's loggers through it."""
    structlog.configure(
        processors=[*_SHARED_PROCESSORS, structlog.processors.JSONRenderer()],
        # Standard error of the moment, since a server or a test may replace it after the set-up.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
    root = logging.getLogger()
    if not any(isinstance(handler, _StandardError) for handler in root.handlers):
        root.addHandler(_StandardError())


class _StandardError(logging.StreamHandler[TextIO]):
    """A handler that writes records as JSON to the current standard error.

    A server may replace standard error after the set-up.
    """

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=[structlog.stdlib.add_logger_name, *_SHARED_PROCESSORS],
                processors=[
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.JSONRenderer(),
                ],
            )
        )

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr
