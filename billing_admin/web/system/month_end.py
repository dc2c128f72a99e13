"""The month end: a page of steps from the arrival of charges to locked books.

Each step is done or not by its figures; nothing is ticked by hand.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.month_end import Step, StepName, month_after, month_before, parse_month
from billing_admin.domain.receivable_trends import Month
from billing_admin.domain.translation import Phrase
from billing_admin.operations.charges import sources
from billing_admin.queries import month_end as queries
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import has_permission, text_param
from billing_admin.web.frame.signed_in import actor, now, today
from billing_admin.web.master_data.periods import LockForm

pages = page_blueprint("month_end", __name__, "/month-end", write="settings:write")


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step with its texts and the page that it leads to.

    `waiting` names a row that waits; `done_text` is shown when none does.
    """

    step: Step
    label: str
    url: str
    link: str
    waiting: str
    done_text: str


@pages.get("")
def show() -> ResponseReturnValue:
    """Show the steps of a month, by default of the last whole month."""
    month = parse_month(text_param("month"), today())
    report = queries.month_end(db.session(), month, now())
    following = month_after(month)
    return render_template(
        "month_end/show.html",
        report=report,
        month=month,
        rows=[_row(step, month, month.last if report.preview else None) for step in report.steps],
        previous_url=url_for("month_end.show", month=_text(month_before(month))),
        next_url=url_for("month_end.show", month=_text(following)) if following.first <= today() else None,
        lock_form=LockForm(formdata=None, through=month.last),
        lock_url=url_for("periods.edit", month=_text(month)),
        may_lock=has_permission("periods:write") and month.last <= today(),
        may_bill=has_permission("billing:write"),
        may_end=has_permission("settings:write"),
    )


@pages.post("/sources/<uuid:id>/end")
def end_source(id: UUID) -> ResponseReturnValue:
    """Mark a source as ended: no further charges are expected from it."""
    name = transaction(sources.end, id, actor(), now())
    flash(Phrase("No further charges are expected from {name}.", name=name), "success")
    return redirect(_url_of_month(), 303)


@pages.post("/sources/<uuid:id>/expect")
def expect_source(id: UUID) -> ResponseReturnValue:
    """Expect charges of an ended source again."""
    name = transaction(sources.expect, id, actor(), now())
    flash(Phrase("Charges are expected from {name} again.", name=name), "success")
    return redirect(_url_of_month(), 303)


def _url_of_month() -> str:
    month: str = url_for("month_end.show", month=_text(parse_month(text_param("month"), today())))
    return month


def _text(month: Month) -> str:
    return f"{month.first:%Y-%m}"


def _row(step: Step, month: Month, counted_through: date | None) -> StepRow:
    """Return the texts and the list of a step.

    The steps of charges count those up to `counted_through`, or of any day.
    """
    first, day = month.first.isoformat(), _last_due_day(month)
    last = counted_through.isoformat() if counted_through else None
    texts: dict[StepName, tuple[str, str, str, str, str]] = {
        "sources": (
            Phrase("All charges have arrived"),
            _period_url("charges.index", month),
            Phrase("Charges of the month"),
            "late source",
            Phrase("Every source has delivered at the end of the month or later"),
        ),
        "likely_duplicates": (
            Phrase("Likely duplicates are reviewed"),
            url_for("charges.index", likely_duplicates=1, to=last),
            Phrase("Review"),
            "likely duplicate",
            Phrase("None"),
        ),
        "held": (
            Phrase("Held charges are decided"),
            url_for("charges.index", status="held", to=last),
            Phrase("Held charges"),
            "held charge",
            Phrase("None"),
        ),
        "recurring": (
            Phrase("Recurring charges are posted"),
            url_for("billing_runs.preview", through=day.isoformat(), _anchor="due"),
            Phrase("Due charges"),
            "due charge",
            Phrase("None is due"),
        ),
        "unbilled": (
            Phrase("Charges are billed"),
            url_for("unbilled.index", through=last, status="pending"),
            Phrase("Unbilled charges"),
            "pending charge",
            Phrase("Nothing to bill"),
        ),
        "runs": (
            Phrase("Billing was run"),
            url_for("billing_runs.index"),
            Phrase("Billing runs"),
            "run",
            Phrase("Done"),
        ),
        "drafts": (
            Phrase("Drafts are issued"),
            url_for("invoices.index", status="draft"),
            Phrase("Drafts"),
            "draft",
            Phrase("None"),
        ),
        "unsent": (
            Phrase("Documents are sent"),
            url_for("invoices.index", sent="0", issued_from=first),
            Phrase("Documents not sent"),
            "unsent document",
            Phrase("All are sent"),
        ),
        "unallocated": (
            Phrase("Payments are allocated"),
            url_for("payments.index", status="unallocated"),
            Phrase("Unallocated payments"),
            "unallocated payment",
            Phrase("All are allocated"),
        ),
        "journal": (
            Phrase("The journal is exported"),
            _period_url("journal.index", month),
            Phrase("Journal of the month"),
            "",
            "",
        ),
        "lock": (Phrase("The books are locked"), url_for("periods.edit"), Phrase("Period lock"), "", ""),
    }
    label, url, link, waiting, done_text = texts[step.name]
    return StepRow(step, label, url, link, waiting, done_text)


def _period_url(endpoint: str, month: Month) -> str:
    days: dict[str, Any] = {"from": month.first.isoformat(), "to": month.last.isoformat()}
    return url_for(endpoint, **days)


def _last_due_day(month: Month) -> date:
    return min(month.last, today())
