"""billing-admin: a self-hosted billing back office."""

import gc
import sys

from flask import Flask
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from billing_admin.config import ROOT, VERSION, Settings

__version__ = VERSION


def create_app(settings: Settings | None = None) -> Flask:
    """Return the application.

    `settings` default to the environment.
    """
    from billing_admin import cli, web  # noqa: PLC0415
    from billing_admin.api import init_api  # noqa: PLC0415
    from billing_admin.api.frame import problems  # noqa: PLC0415
    from billing_admin.background import init_background  # noqa: PLC0415
    from billing_admin.background.audit_sealing import AuditSealing  # noqa: PLC0415
    from billing_admin.db.engine import init_database  # noqa: PLC0415
    from billing_admin.http.access_log import init_access_log  # noqa: PLC0415
    from billing_admin.http.errors import init_errors  # noqa: PLC0415
    from billing_admin.http.metrics import init_metrics  # noqa: PLC0415
    from billing_admin.http.probes import init_probes  # noqa: PLC0415
    from billing_admin.http.security import init_security  # noqa: PLC0415
    from billing_admin.http.static_files import init_static_files  # noqa: PLC0415
    from billing_admin.http.url_converters import init_url_converters  # noqa: PLC0415
    from billing_admin.logs import init_logs  # noqa: PLC0415
    from billing_admin.web.frame.errors import error_page  # noqa: PLC0415

    settings = settings or _settings()
    app = Flask(__name__, template_folder=str(ROOT / "templates"), static_folder=None)
    app.extensions["billing_settings"] = settings
    init_logs()
    init_url_converters(app)
    init_static_files(app, ROOT / "static")
    init_database(app, settings)
    init_background(app, settings)
    init_probes(app, settings)
    init_security(app, settings)
    init_errors(app, page=error_page, api=problems.error_response)
    web.init_web(app, settings)
    init_api(app, settings)
    AuditSealing(app)
    init_access_log(app, settings)
    init_metrics(app, settings)
    cli.init_cli(app)
    return app


def tune_gc() -> None:
    """Exempt the loaded modules from garbage collection, and collect less often.

    Requests create many short-lived objects, which reference counting frees.
    """
    gc.freeze()
    gc.set_threshold(5_000, 10, 10)


def _settings() -> Settings:
    """Return the settings of the environment, or exit with a message.

    The message names every variable that is missing or wrong, and says how to set it.
    """
    try:
        return Settings()
    except ValidationError as error:
        sys.exit("\n".join(_sentence(problem) for problem in error.errors()))


def _sentence(problem: ErrorDetails) -> str:
    """Return a problem with a setting as a sentence that names its variable."""
    if problem["type"] == "value_error":  # one of our own sentences
        return problem["msg"].removeprefix("Value error, ")
    return f"Correct BILLING_{str(problem['loc'][0]).upper()}. {problem['msg']}."
