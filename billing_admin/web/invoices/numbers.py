"""The number register: each series, its numbers and its missing numbers.

Each number is shown with its document.
"""

from flask import render_template
from flask.typing import ResponseReturnValue

from billing_admin.db.engine import db
from billing_admin.domain.errors import Invalid
from billing_admin.domain.translation import Phrase
from billing_admin.formats import csv_writer
from billing_admin.http.downloads import Download, send_export
from billing_admin.queries.invoices import numbers as queries
from billing_admin.queries.invoices.numbers import SeriesFilter
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import flag_param, text_param
from billing_admin.web.frame.signed_in import today
from billing_admin.web.frame.system_lists import NUMBERS, SERIES
from billing_admin.web.frame.tables import load_table, plain_table

MAX_SERIES_DIGITS = 5

pages = page_blueprint("numbers", __name__, "/numbers", write="settings:write")


@pages.get("")
def index() -> ResponseReturnValue:
    """List every series, with the next numbers."""
    session, day = db.session(), today()
    next_numbers = {kind: queries.next_number(session, day, kind) for kind in queries.DOCUMENT_KINDS}
    return render_template(
        "numbers/list.html",
        page=plain_table(SERIES, queries.all_series(session)),
        next_numbers=next_numbers,
        blocked=queries.future_dated_documents(session, day),
    )


@pages.get("/<any(invoice, credit_note):kind>/<int:year>")
def show(kind: str, year: int) -> ResponseReturnValue:
    """List the numbers of one series, newest first."""
    session, series_filter = db.session(), SeriesFilter(kind, year, _series_part())
    series = queries.series(session, series_filter)
    page = load_table(queries.number_register(series_filter), NUMBERS)
    return render_template("numbers/show.html", series=series, page=page, today=today())


@pages.get("/<any(invoice, credit_note):kind>/<int:year>.csv")
def download(kind: str, year: int) -> ResponseReturnValue:
    """Send the series as a CSV file, in the order of its numbers."""
    series_filter = SeriesFilter(kind, year, _series_part())
    queries.series(db.session(), series_filter)  # raises before the response begins
    excel = flag_param("excel")
    suffix = f"-series-{series_filter.part}" if series_filter.part else ""
    name = f"{kind.replace('_', '-')}-numbers-{year}{suffix}.csv"
    details = {"kind": "numbers", "format": "csv", "filters": {"document": kind, "year": year}}
    file = Download(name, "text/csv; charset=utf-8", details)
    return send_export(file, lambda session: csv_writer.export_csv(session, "numbers", series_filter, excel=excel))


def _series_part() -> int | None:
    """Return the number of the series within the year, from the URL.

    The result is None, which means the first series, if the URL has no number.

    Raises:
        Invalid: it is no number.
    """
    text = text_param("series")
    if text and not (text.isascii() and text.isdigit() and len(text) < MAX_SERIES_DIGITS):
        raise Invalid("unknown_series", Phrase("There is no series “{text}” in this year.", text=text), "series")
    return int(text) if text else None
