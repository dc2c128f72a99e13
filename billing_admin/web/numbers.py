"""The number register: each series, each of its numbers and what became of it, and the numbers that are missing."""

from flask import Response, render_template
from flask.typing import ResponseReturnValue

from billing_admin.database import Stream, db
from billing_admin.documents import csv
from billing_admin.queries import numbers as queries
from billing_admin.queries.invoices import next_number
from billing_admin.queries.numbers import SeriesFilter
from billing_admin.web.guard import subject
from billing_admin.web.lists import given, rows
from billing_admin.web.people import today

pages = subject("numbers", __name__, "/numbers", write="settings:write")


@pages.get("")
def index() -> ResponseReturnValue:
    """Every series, and the numbers that come next."""
    session, day = db.session(), today()
    coming = {kind: next_number(session, day, kind) for kind in queries.KINDS}
    return render_template("numbers/list.html", series=queries.all_series(session), coming=coming)


@pages.get("/<any(invoice, credit_note):kind>/<int:year>")
def show(kind: str, year: int) -> ResponseReturnValue:
    """Each number of one series, the last first."""
    session, which = db.session(), SeriesFilter(kind, year)
    series = queries.series(session, which)
    return render_template("numbers/show.html", series=series, page=rows(queries.register(which)), today=today())


@pages.get("/<any(invoice, credit_note):kind>/<int:year>.csv")
def download(kind: str, year: int) -> ResponseReturnValue:
    """The series as a file, in the order of its numbers."""
    which = SeriesFilter(kind, year)
    queries.series(db.session(), which)  # what is refused is refused before anything is sent
    excel, name = given("excel") == "1", f"{kind.replace('_', '-')}-numbers-{year}.csv"
    return Response(
        Stream(lambda session: csv.export(session, "numbers", which, excel=excel)),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
