"""Metrics for Prometheus: requests of all processes, and figures of the database.

The library counts each process in a file of its own in PROMETHEUS_MULTIPROC_DIR, which `gunicorn.conf.py` sets, and adds them
up when they are read. It is loaded only if the metrics are on.
"""

import os
import time
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, request

from billing_admin import clock
from billing_admin.config import VERSION, Settings
from billing_admin.db.engine import db
from billing_admin.db.errors import LogIfUnavailable
from billing_admin.queries.figures import Figures, read_figures

if TYPE_CHECKING:
    from prometheus_client import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
UNKNOWN_ROUTE = "unknown"  # one label for every path without a route, or strangers could add labels without end


def init_metrics(app: Flask, settings: Settings) -> None:
    """Count each request, unless the settings switch the metrics off.

    Call it last, as the access log: other functions may end the request.
    """
    if settings.metrics == "off":
        return
    from prometheus_client import CollectorRegistry, Counter, Histogram  # noqa: PLC0415

    registry = CollectorRegistry()
    requests = Counter("billing_http_requests", "Requests.", ["method", "route", "status"], registry=registry)
    durations = Histogram(
        "billing_http_request_duration_seconds",
        "Seconds until the response was sent.",
        ["method", "route"],
        buckets=BUCKETS,
        registry=registry,
    )
    app.extensions["billing_metrics"] = registry

    def start() -> None:
        g.metrics_started = time.perf_counter()

    def count_when_sent(response: Response) -> Response:
        started = g.get("metrics_started", time.perf_counter())
        route = request.url_rule.rule if request.url_rule else UNKNOWN_ROUTE
        method, status = request.method, str(response.status_code)
        if request.url_rule is None:
            method = method if method in {"GET", "HEAD", "POST"} else "other"

        @response.call_on_close
        def count() -> None:
            requests.labels(method, route, status).inc()
            durations.labels(method, route).observe(time.perf_counter() - started)

        return response

    app.before_request_funcs.setdefault(None, []).insert(0, start)
    app.after_request(count_when_sent)


def metrics_text(app: Flask) -> bytes:
    """Return all metrics in the text format of Prometheus.

    While the database is unavailable, its figures are missing and `billing_database_up` is 0.
    """
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

    figures: Figures | None = None
    with app.app_context(), LogIfUnavailable("metrics_without_database"):
        figures = read_figures(db.session(), clock.now())
    of_database = CollectorRegistry()
    of_database.register(_Collector(figures))
    requests: CollectorRegistry = app.extensions["billing_metrics"]
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        requests = CollectorRegistry()
        MultiProcessCollector(requests)  # type: ignore[no-untyped-call]
    return generate_latest(requests) + generate_latest(of_database)


class _Collector:
    """Gauges with the figures of the database."""

    def __init__(self, figures: Figures | None) -> None:
        self._figures = figures

    def collect(self) -> Iterator["Metric"]:
        """Yield the gauges."""
        yield _gauge("billing_info", "The version of the program.", {VERSION: 1}, "version")
        yield _gauge("billing_database_up", "Whether the database answers.", int(self._figures is not None))
        if self._figures is not None:
            yield from _figure_gauges(self._figures, clock.now())


def _figure_gauges(figures: Figures, now: datetime) -> Iterator["Metric"]:
    yield _gauge("billing_jobs", "Jobs.", figures.jobs, "state")
    age = _seconds_since(figures.oldest_queued_job, now)
    yield _gauge("billing_oldest_queued_job_age_seconds", "Age of the oldest job that waits for a worker.", age)
    yield _gauge("billing_audit_events_unsealed", "Audit events without a seal.", figures.unsealed_events)
    yield _gauge("billing_messages", "Messages that wait or need attention.", figures.messages, "state")
    yield _gauge("billing_webhook_deliveries_waiting", "Webhook deliveries that wait.", figures.deliveries_waiting)
    age = _seconds_since(figures.oldest_delivery, now)
    yield _gauge("billing_oldest_webhook_delivery_age_seconds", "Age of the oldest waiting webhook delivery.", age)
    for name, at in (("billing_run", figures.last_billing_run), ("backup", figures.last_backup)):
        if at is not None:
            full_name = f"billing_last_{name}_timestamp_seconds"
            yield _gauge(full_name, "When the last one was finished, in seconds since 1970.", at.timestamp())


def _gauge(name: str, text: str, values: Any, label: str | None = None) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

    if label is None:
        return GaugeMetricFamily(name, text, value=values)
    gauge = GaugeMetricFamily(name, text, labels=[label])
    for value, count in values.items():
        gauge.add_metric([value], count)
    return gauge


def _seconds_since(moment: datetime | None, now: datetime) -> float:
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())
