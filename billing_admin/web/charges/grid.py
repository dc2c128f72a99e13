"""Many charges at once: a grid that takes what is pasted from a spreadsheet. All of its rows are saved, or none."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import uuid4

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, FieldList, FormField
from wtforms.widgets import HiddenInput, TextInput

from billing_admin.db.engine import db
from billing_admin.db.transactions import dry_run, transaction
from billing_admin.domain.charges import ChargeSpec
from billing_admin.domain.clipboard import parse_rows
from billing_admin.domain.currency_signs import SIGNS
from billing_admin.domain.errors import Conflict, Invalid, Problem
from billing_admin.domain.formatting import format_exact
from billing_admin.domain.money import exact_sum
from billing_admin.http.body_limits import MIB, BodyLimit, body_limit
from billing_admin.http.lock_waits import run_bounded
from billing_admin.models import Service
from billing_admin.operations.charges import posting
from billing_admin.queries.master_data import services
from billing_admin.web.charges.charges import NAMES, WRITE, list_prices, saved_before, service_choices
from billing_admin.web.frame.customer_field import MAX_NAMED, CustomerField, customer_options
from billing_admin.web.frame.forms import (
    AmountField,
    DayField,
    ExactField,
    Form,
    MultilineField,
    NewIdField,
    TextField,
    render_form,
)
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import pluralise
from billing_admin.web.frame.list_params import day_param, text_param
from billing_admin.web.frame.signed_in import actor, now, today

MORE_ROWS, MOST_ROWS = 10, 300

pages = page_blueprint("many_charges", __name__, "/charges/many", write=WRITE)


class RowForm(Form):
    """One charge, its columns in the order in which a pasted line has them."""

    class Meta(Form.Meta):
        """The grid has one token for all of its rows."""

        csrf = False

    id = NewIdField()
    customer = CustomerField(blank_message=None)
    service = TextField("Service", render_kw={"list": "services", "autocomplete": "off"})
    quantity = ExactField("Quantity", noun="quantity")
    unit_price = AmountField("Unit price")
    day = DayField("Day", widget=TextInput())  # a browser's own field for days takes no pasted text
    description = TextField("Description", max_length=1000)

    @property
    def columns(self) -> list[Any]:
        """The fields that are seen."""
        return [field for field in self if not isinstance(field.widget, HiddenInput)]

    @property
    def is_blank(self) -> bool:
        """Whether nothing is written in it: such a row is no charge."""
        return not any(field.raw_data and field.raw_data[0].strip() for field in self.columns)


class ManyForm(Form):
    """What counts where a row says nothing else, and the rows."""

    customer = CustomerField(blank_message=None)
    day = DayField("Day", blank_message="Enter the day of the charges, such as 2026-11-22.")
    tax_included = BooleanField("Unit prices include tax")
    rows = FieldList(FormField(RowForm), min_entries=MORE_ROWS, max_entries=MOST_ROWS)
    pasted = MultilineField("Lines from a spreadsheet", max_length=100_000)


@pages.route("", methods=["GET", "POST"])
@body_limit(BodyLimit(4 * MIB, fields=2_500))  # MOST_ROWS rows of seven fields
def new() -> ResponseReturnValue:
    """Add many charges: all or none."""
    form = ManyForm(customer=text_param("customer"), day=day_param("day") or today())
    then = request.form.get("then", "save")
    posted = None
    if request.method == "POST":
        if then == "rows":
            _make_rows(form)
        else:
            posted = _post(form, dry=then != "save")
    if posted and then == "save":
        return _saved(form, posted)
    for number, entry in enumerate(form.rows, 1):
        for field in entry.form.columns:
            field.label.text = f"{field.label.text}, row {number}"
    catalogue = services.service_choices(db.session())
    return render_form(
        "charges/many.html",
        form,
        prices=list_prices(catalogue),
        services=list(service_choices(catalogue).items()),
        customers=customer_options(form.customer),
        checked=_sums(posted) if posted else None,
        most=MOST_ROWS,
        signs={sign: sorted(currencies) for sign, currencies in SIGNS.items()},
    )


def _make_rows(form: ManyForm) -> None:
    """Rows for the pasted lines, or some blank ones."""
    form.pasted.errors = form.pasted.process_errors
    if form.pasted.data and form.pasted.raw_data:
        _spread(form, form.pasted.raw_data[0])
    elif not form.pasted.errors:
        _add_rows(form, MORE_ROWS)


def _add_rows(form: ManyForm, more: int) -> None:
    for _ in range(min(more, MOST_ROWS - len(form.rows))):
        form.rows.append_entry()


def _spread(form: ManyForm, pasted: str) -> None:
    """Put lines into rows that are blank, from the first one on; the rest stays where it was pasted."""
    lines = [list(map(_one_line, cells)) for cells in parse_rows(pasted)]
    lines = [cells for cells in lines if any(cells)]
    blank = [entry.form for entry in form.rows if entry.form.is_blank]
    missing = len(lines) - len(blank)
    if missing > 0:
        _add_rows(form, missing)
        blank = [entry.form for entry in form.rows if entry.form.is_blank]
    for row, cells in zip(blank, lines, strict=False):
        *firsts, last = row.columns
        for field, cell in zip(firsts, cells, strict=False):
            field.raw_data = [cell]
        last.raw_data = [_one_line(" ".join(cells[len(firsts) :]))]  # what is too much stays with the description
    form.pasted.raw_data = ["\n".join("\t".join(cells) for cells in lines[len(blank) :])]
    if len(lines) > len(blank):
        left = pluralise(len(lines) - len(blank), "line")
        form.pasted.errors = [
            f"Only {MOST_ROWS} rows fit. Cut these {left} out, and paste them again once the rows are saved."
        ]


def _one_line(cell: str) -> str:
    return " ".join(cell.split())


def _post(form: ManyForm, dry: bool) -> posting.PostingResult | None:
    """Save the rows, or only find out whether they could be saved. None if the form has errors, which stand at their fields."""
    for entry in form.rows:
        entry.form.expect_currency(_customer_of(form, entry.form).currency)
    form.validate()
    if form.pasted.data:
        form.pasted.errors = ["These lines are not among the rows yet: press “Add 10 rows”, or delete them."]
    if f"rows-{MOST_ROWS}-id" in request.form:
        form.form_errors.append(f"Send {MOST_ROWS} rows at most.")
    specs = {place: spec for place, spec in _specs(form) if spec is not None}
    _gather_errors(form)
    if not specs and not form.errors:
        form.form_errors.append("Enter a charge: a service and a quantity, or a description and a unit price.")
    if not form.errors:
        try:
            save = partial(posting.post, specs=list(specs.values()), actor=actor(), now=now())
            return run_bounded(dry_run if dry else transaction, save)
        except (Invalid, Conflict) as refusal:
            places = list(specs)
            for problem in refusal.problems:
                _place(form.rows[places[int(problem.field[0])]].form, problem)
    _number_errors(form)
    return None


def _gather_errors(form: ManyForm) -> None:
    """Make the rows' errors known to the form, which looked for them when it was validated."""
    form.rows.errors = [entry.errors for entry in form.rows if entry.errors]


def _specs(form: ManyForm) -> Iterator[tuple[int, ChargeSpec | None]]:
    """The rows that are written on, by their place; None where something is wrong, which is said at its field."""
    catalogue = services.service_choices(db.session())
    for place, entry in enumerate(form.rows):
        row = entry.form
        if row.is_blank:
            row.id.errors = []
            continue
        yield place, _spec(form, row, catalogue)


def _spec(form: ManyForm, row: RowForm, catalogue: Sequence[Service]) -> ChargeSpec | None:
    customer = _customer_of(form, row)
    if not customer.data and not customer.errors and not row.customer.errors:
        row.customer.errors = ["Enter a customer, here or above the rows."]
    service = None
    try:
        service = _service(row.service.data, catalogue) if row.service.data else None
    except Invalid as refusal:
        row.service.errors = [refusal.message]
    if row.errors:
        return None
    try:
        return ChargeSpec(
            customer=customer.data,
            service=service,
            description=row.description.data or None,
            quantity=row.quantity.data,
            unit_price=row.unit_price.data,
            tax_included=None if row.unit_price.data is None else form.tax_included.data,
            incurred_on=row.day.data or form.day.data,
            id=row.id.data,
        )
    except Invalid as refusal:
        for problem in refusal.problems:
            _place(row, problem)
        return None


def _customer_of(form: ManyForm, row: RowForm) -> CustomerField:
    """Return the field that names the customer of a row: the row's own, or the one above the rows."""
    return row.customer if row.customer.data or row.customer.errors or row.customer.process_errors else form.customer


def _service(typed: str, catalogue: Sequence[Service]) -> str:
    """The code of the service that is called so: by its very code, else by code or name however it is capitalised."""
    called = [one for one in catalogue if typed.casefold() in {one.code.casefold(), one.name.casefold()}]
    found = [one for one in called if one.code == typed] or called
    if not found:
        raise Invalid("unknown_service", f"No service is called “{typed[:80]}”. Choose one from the list.")
    if found[1:]:
        named = ", ".join(one.code for one in found[:MAX_NAMED])
        raise Invalid("several_services", f"Several services are called so: {named}. Enter the code of one.")
    return found[0].code


def _place(row: RowForm, problem: Problem) -> None:
    """Put a problem at its field. A row that was saved before, as another charge, gets an id of its own."""
    shown = {field.short_name: field for field in row.columns}
    name = str(problem.field[-1]) if problem.field else ""
    field, sentence = shown.get(NAMES.get(name, name), row.service), problem.message
    if problem.code == "id_conflict":
        row.id.data = uuid4()
        sentence = saved_before("row", problem.differs)
    field.errors = [*field.errors, sentence]


def _number_errors(form: ManyForm) -> None:
    """Name the row in each of its errors, for the summary above."""
    for number, entry in enumerate(form.rows, 1):
        for field in entry.form:
            field.errors = [f"Row {number}: {error}" for error in field.errors]
    _gather_errors(form)


def _sums(posted: posting.PostingResult) -> str:
    """`20 charges of 120.00 EUR, 7.50 USD`: those that are new."""
    amounts: dict[str, list[Decimal]] = defaultdict(list)
    for row in posted.rows:
        amounts[row["currency"]].append(row["amount"])
    sums = ", ".join(format_exact(exact_sum(amounts[currency]), currency) for currency in sorted(amounts))
    return f"{pluralise(posted.created, 'charge')} of {sums}" if sums else "No new charge"


def _saved(form: ManyForm, posted: posting.PostingResult) -> ResponseReturnValue:
    saved = f"{_sums(posted)} saved." if posted.created else "These charges were saved already. Each is stored once."
    alike = pluralise(len(posted.duplicates), "likely duplicate")
    flash(f"{saved} Among them: {alike}, to be reviewed." if posted.duplicates else saved, "success")
    return redirect(url_for("charges.index", customer=form.customer.data or None), 303)
