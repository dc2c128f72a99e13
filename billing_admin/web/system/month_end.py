"""The month end: a page of steps from the arrival of charges to locked books.

Each step is done or not by its figures; nothing is ticked by hand.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import render_template, url_for
from flask.typing import ResponseReturnValue

from billing_admin.db.engine import db
from billing_admin.domain.month_end import Step, StepName, month_after, month_before, parse_month
from billing_admin.domain.receivable_trends import Month
from billing_admin.queries import month_end as queries
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import has_permission, text_param
from billing_admin.web.frame.signed_in import now, today
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
        may_lock=has_permission("settings:write") and month.last <= today(),
        may_bill=has_permission("billing:write"),
    )


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
            "All charges have arrived",
            _period_url("charges.index", month),
            "Charges of the month",
            "late source",
            "Every source has delivered at the end of the month or later",
        ),
        "likely_duplicates": (
            "Likely duplicates are reviewed",
            url_for("charges.index", likely_duplicates=1, to=last),
            "Review",
            "likely duplicate",
            "None",
        ),
        "held": (
            "Held charges are decided",
            url_for("charges.index", status="held", to=last),
            "Held charges",
            "held charge",
            "None",
        ),
        "recurring": (
            "Recurring charges are posted",
            url_for("billing_runs.preview", through=day.isoformat(), _anchor="due"),
            "Due charges",
            "due charge",
            "None is due",
        ),
        "unbilled": (
            "Charges are billed",
            url_for("unbilled.index", through=last, status="pending"),
            "Unbilled charges",
            "pending charge",
            "Nothing to bill",
        ),
        "runs": ("Billing was run", url_for("billing_runs.index"), "Billing runs", "run", "Done"),
        "drafts": (
            "Drafts are issued",
            url_for("invoices.index", status="draft"),
            "Drafts",
            "draft",
            "None",
        ),
        "unsent": (
            "Documents are sent",
            url_for("invoices.index", sent="0", issued_from=first),
            "Documents not sent",
            "unsent document",
            "All are sent",
        ),
        "unallocated": (
            "Payments are allocated",
            url_for("payments.index", status="unallocated"),
            "Unallocated payments",
            "unallocated payment",
            "All are allocated",
        ),
        "journal": (
            "The journal is exported",
            _period_url("journal.index", month),
            "Journal of the month",
            "",
            "",
        ),
        "lock": ("The books are locked", url_for("periods.edit"), "Period lock", "", ""),
    }
    label, url, link, waiting, done_text = texts[step.name]
    return StepRow(step, label, url, link, waiting, done_text)


def _period_url(endpoint: str, month: Month) -> str:
    days: dict[str, Any] = {"from": month.first.isoformat(), "to": month.last.isoformat()}
    return url_for(endpoint, **days)


def _last_due_day(month: Month) -> date:
    return min(month.last, today())
