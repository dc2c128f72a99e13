"""The number register: each series, each of its numbers and what became of it, and the numbers that are missing."""

from flask import Response, render_template
from flask.typing import ResponseReturnValue

from billing_admin.db.transactions import Stream, db
from billing_admin.formats import csv_writer
from billing_admin.queries.invoices import numbers as queries
from billing_admin.queries.invoices.numbers import SeriesFilter
from billing_admin.web.frame.guard import subject
from billing_admin.web.frame.list_params import given, rows
from billing_admin.web.frame.signed_in import today

LONGEST_PART = 5  # digits

pages = subject("numbers", __name__, "/numbers", write="settings:write")


@pages.get("")
def index() -> ResponseReturnValue:
    """Every series, and the numbers that come next."""
    session, day = db.session(), today()
    coming = {kind: queries.next_number(session, day, kind) for kind in queries.KINDS}
    return render_template(
        "numbers/list.html", series=queries.all_series(session), coming=coming, blocked=queries.blocked(session, day)
    )


@pages.get("/<any(invoice, credit_note):kind>/<int:year>")
def show(kind: str, year: int) -> ResponseReturnValue:
    """Each number of one series, the last first."""
    session, which = db.session(), SeriesFilter(kind, year, _part())
    series = queries.series(session, which)
    return render_template("numbers/show.html", series=series, page=rows(queries.register(which)), today=today())


@pages.get("/<any(invoice, credit_note):kind>/<int:year>.csv")
def download(kind: str, year: int) -> ResponseReturnValue:
    """The series as a file, in the order of its numbers."""
    which = SeriesFilter(kind, year, _part())
    queries.series(db.session(), which)  # what is refused is refused before anything is sent
    excel = given("excel") == "1"
    name = f"{kind.replace('_', '-')}-numbers-{year}{f'-series-{which.part}' if which.part else ''}.csv"
    return Response(
        Stream(lambda session: csv_writer.export(session, "numbers", which, excel=excel)),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _part() -> int | None:
    """The part of the year that the URL names; None, which stands for the first, if it names no whole number."""
    typed = given("series")
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < LONGEST_PART else None
