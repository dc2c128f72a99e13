"""Add many charges in a grid, into which cells of a spreadsheet can be pasted.

All rows are saved, or none.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
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
from billing_admin.domain.amount_input import parse_amount
from billing_admin.domain.charges import MAX_DESCRIPTION_LENGTH, ChargeSpec
from billing_admin.domain.clipboard import parse_rows
from billing_admin.domain.currency_signs import SIGNS
from billing_admin.domain.day_input import parse_copied_day
from billing_admin.domain.days import check_calendar_day
from billing_admin.domain.errors import Conflict, Denied, Invalid, Problem
from billing_admin.domain.formatting import format_exact
from billing_admin.domain.imports.headers import field_by_heading, normalise_heading
from billing_admin.domain.money import exact_sum
from billing_admin.domain.number_format import format_in_use
from billing_admin.domain.translation import Phrase, plural
from billing_admin.http.body_limits import MIB, BodyLimit, body_limit
from billing_admin.http.lock_waits import run_bounded
from billing_admin.models import Service
from billing_admin.operations.charges import posting
from billing_admin.queries.master_data import services
from billing_admin.queries.master_data.customers import has_customers
from billing_admin.web.charges.charges import FIELD_NAMES, WRITE, already_saved_message, list_prices, service_choices
from billing_admin.web.frame.customer_field import MAX_NAMED, CustomerField, known_currencies
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
from billing_admin.web.frame.signed_in import actor, current_organisation, now, today

ADDED_ROWS, MAX_ROWS = 10, 300

pages = page_blueprint("many_charges", __name__, "/charges/many", write=WRITE)


# The columns of the grid in their order, and the fields of imports that they are.
_COLUMNS = {
    "customer": "customer",
    "service": "service",
    "quantity": "quantity",
    "unit_price": "unit_price",
    "day": "incurred_on",
    "description": "description",
}
_FIELDS_OF_ALL_ROWS = ("period_from", "period_to", "purchase_order")
_KNOWN_HEADINGS = 2  # a line with so many known headings is a header


class CopiedQuantityField(ExactField):
    """A number that may be copied from a spreadsheet, where `(1.00)` can be negative."""

    def parse(self, typed: str) -> None:
        """Store the number for `pre_validate`, and read `(1.00)` as the form asks for it."""
        self.typed = parse_amount(typed, format_in_use(), accounting="accounting" in request.form)


class CopiedPriceField(CopiedQuantityField, AmountField):
    """An amount that may be copied from a spreadsheet."""


class CopiedDayField(DayField):
    """A day that may be copied from a spreadsheet, also a moment or a serial number."""

    def parse(self, typed: str) -> date:
        """Return the day; see `domain.day_input.parse_copied_day`."""
        return check_calendar_day(parse_copied_day(typed, current_organisation().date_order))


class RowForm(Form):
    """One charge; its fields are in the order of the columns of a pasted line."""

    class Meta(Form.Meta):
        """The grid has one CSRF token for all rows."""

        csrf = False

    id = NewIdField()
    customer = CustomerField(blank_message=None)
    service = TextField(Phrase("Service"), render_kw={"list": "services", "autocomplete": "off"})
    quantity = CopiedQuantityField(Phrase("Quantity"), noun=Phrase("quantity"))
    unit_price = CopiedPriceField(Phrase("Unit price"))
    day = CopiedDayField(Phrase("Day"), widget=TextInput())  # date inputs of browsers accept no pasted text
    description = TextField(Phrase("Description"), max_length=MAX_DESCRIPTION_LENGTH)

    @property
    def columns(self) -> list[Any]:
        """The visible fields."""
        return [field for field in self if not isinstance(field.widget, HiddenInput)]

    @property
    def is_blank(self) -> bool:
        """Whether all visible fields are blank: such a row is skipped."""
        return not any(field.raw_data and field.raw_data[0].strip() for field in self.columns)


class GridForm(Form):
    """The rows, and fields above them.

    Customer and day are for rows that leave them blank, period and purchase order for all rows.
    """

    customer = CustomerField(blank_message=None)
    day = DayField(Phrase("Day"), blank_message=Phrase("Enter the day of the charges, such as 2026-11-22."))
    period_from = DayField(Phrase("First day of the period"))
    period_to = DayField(Phrase("Last day of the period"))
    purchase_order = TextField(Phrase("Purchase order number"))
    tax_included = BooleanField(Phrase("Unit prices include tax"))
    accounting = BooleanField(Phrase("Read (1.00) and 1.00- as negative numbers"))
    rows = FieldList(FormField(RowForm), min_entries=ADDED_ROWS, max_entries=MAX_ROWS)
    pasted = MultilineField(Phrase("Lines from a spreadsheet"), max_length=100_000)


@pages.route("", methods=["GET", "POST"])
@body_limit(BodyLimit(4 * MIB, fields=2_500))  # MAX_ROWS rows of seven fields
def new() -> ResponseReturnValue:
    """Add the charges of all rows, check them, or add rows to the grid."""
    form = GridForm(customer=text_param("customer"), day=day_param("day") or today())
    action = request.form.get("then", "save")
    posted = None
    if request.method == "POST":
        if action == "rows":
            _add_pasted_or_blank_rows(form)
        else:
            posted = _post(form, only_check=action != "save")
    if posted and action == "save":
        return _redirect_after_saving(form, posted)
    for number, entry in enumerate(form.rows, 1):
        for field in entry.form.columns:
            field.label.text = Phrase("{label}, row {number}", label=field.label.text, number=number)
    catalogue = services.service_choices(db.session())
    return render_form(
        "charges/many.html",
        form,
        prices=list_prices(catalogue),
        services=list(service_choices(catalogue).items()),
        currencies=known_currencies(form.customer),
        has_customers=has_customers(db.session()),
        checked=_describe_new_charges(posted) if posted else None,
        max_rows=MAX_ROWS,
        headings=_headings(),
        signs={sign: sorted(currencies) for sign, currencies in SIGNS.items()},
    )


def _add_pasted_or_blank_rows(form: GridForm) -> None:
    form.pasted.errors = form.pasted.process_errors
    if form.pasted.data and form.pasted.raw_data:
        _distribute_lines(form, form.pasted.raw_data[0])
    elif not form.pasted.errors:
        _add_rows(form, ADDED_ROWS)


def _add_rows(form: GridForm, count: int) -> None:
    for _ in range(min(count, MAX_ROWS - len(form.rows))):
        form.rows.append_entry()


def _distribute_lines(form: GridForm, pasted: str) -> None:
    """Put the pasted lines into the blank rows, in order.

    Lines that do not fit stay in the field.
    """
    lines = [list(map(_one_line, cells)) for cells in parse_rows(pasted)]
    lines = [cells for cells in lines if any(cells)]
    try:
        lines = _arrange_by_header(lines)
    except Invalid as error:
        form.pasted.errors = [error.message]
        return
    blank = [entry.form for entry in form.rows if entry.form.is_blank]
    missing = len(lines) - len(blank)
    if missing > 0:
        _add_rows(form, missing)
        blank = [entry.form for entry in form.rows if entry.form.is_blank]
    for row, cells in zip(blank, lines, strict=False):
        *fields, description = row.columns
        for field, cell in zip(fields, cells, strict=False):
            field.raw_data = [cell]
        description.raw_data = [_one_line(" ".join(cells[len(fields) :]))]  # surplus cells are part of the description
    form.pasted.raw_data = ["\n".join("\t".join(cells) for cells in lines[len(blank) :])]
    if len(lines) > len(blank):
        remaining = pluralise(len(lines) - len(blank), "line")
        form.pasted.errors = [
            Phrase(
                "The grid has at most {max_rows} rows. Cut these {remaining}, save the rows, and then paste the "
                "lines again.",
                max_rows=MAX_ROWS,
                remaining=remaining,
            )
        ]


def _headings() -> dict[str, int]:
    """Return the index of the column with a copied heading, -1 if there is none."""
    index_by_field = {field: index for index, field in enumerate(_COLUMNS.values())}
    return {heading: index_by_field.get(field, -1) for heading, field in field_by_heading("charges").items()}


def _arrange_by_header(lines: list[list[str]]) -> list[list[str]]:
    """Return the lines below a header row, in the order of the grid's columns.

    Lines without a header row are returned as they are.

    Raises:
        Invalid: The header has a column that the grid lacks, or a column twice.
    """
    if not lines:
        return lines
    headings = _headings()
    columns = [headings.get(normalise_heading(cell)) for cell in lines[0]]
    if sum(column is not None for column in columns) < _KNOWN_HEADINGS:
        return lines
    misplaced = [
        cell
        for index, (cell, column) in enumerate(zip(lines[0], columns, strict=True))
        if cell and (column in {None, -1} or column in columns[:index])
    ]
    if misplaced:
        names = ", ".join(f"“{cell[:40]}”" for cell in misplaced)
        raise Invalid(
            "unknown_columns",
            Phrase("The grid has no column for {names}. Delete these columns, or import a file.", names=names),
        )
    places = [columns.index(index) if index in columns else None for index in range(len(_COLUMNS))]
    return [["" if place is None or place >= len(cells) else cells[place] for place in places] for cells in lines[1:]]


def _one_line(cell: str) -> str:
    return " ".join(cell.split())


def _post(form: GridForm, only_check: bool) -> posting.PostingResult | None:
    """Post the rows, or only check whether they could be posted.

    The result is None if the form has errors.
    """
    for entry in form.rows:
        entry.form.expect_currency(_customer_of(form, entry.form).currency)
    form.validate()
    if form.pasted.data:
        form.pasted.errors = [
            Phrase("These lines are not in the grid yet. Select “Add 10 rows” to move them there, or delete them.")
        ]
    if f"rows-{MAX_ROWS}-id" in request.form:
        form.form_errors.append(Phrase("Use at most {max_rows} rows.", max_rows=MAX_ROWS))
    specs = {index: spec for index, spec in _build_specs(form) if spec is not None}
    _collect_row_errors(form)
    if not specs and not form.errors:
        form.form_errors.append(
            Phrase("Enter at least one charge, with a service and quantity, or a description and unit price.")
        )
    if not form.errors:
        try:
            save = partial(posting.post, specs=list(specs.values()), actor=actor(), now=now(), may_wait=True)
            return run_bounded(dry_run if only_check else transaction, save)
        except (Invalid, Conflict, Denied) as error:
            row_indexes = list(specs)
            for problem in error.problems:
                _add_problem(form, form.rows[row_indexes[int(problem.field[0])]].form, problem)
    _prefix_errors_with_rows(form)
    return None


def _collect_row_errors(form: GridForm) -> None:
    """Copy the rows' errors to the list of rows.

    WTForms filled the list before these errors were added.
    """
    form.rows.errors = [entry.errors for entry in form.rows if entry.errors]


def _build_specs(form: GridForm) -> Iterator[tuple[int, ChargeSpec | None]]:
    """Yield the index and the spec of each row that is not blank.

    The spec is None if the row has errors.
    """
    catalogue = services.service_choices(db.session())
    for index, entry in enumerate(form.rows):
        row = entry.form
        if row.is_blank:
            row.id.errors = []
            continue
        yield index, _build_spec(form, row, catalogue)


def _build_spec(form: GridForm, row: RowForm, catalogue: Sequence[Service]) -> ChargeSpec | None:
    customer = _customer_of(form, row)
    if not customer.data and not customer.errors and not row.customer.errors:
        row.customer.errors = [Phrase("Enter a customer here or above the rows.")]
    service = None
    try:
        service = _find_service(row.service.data, catalogue) if row.service.data else None
    except Invalid as error:
        row.service.errors = [error.message]
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
            period_from=form.period_from.data,
            period_to=form.period_to.data,
            purchase_order=form.purchase_order.data or None,
        )
    except Invalid as error:
        for problem in error.problems:
            _add_problem(form, row, problem)
        return None


def _customer_of(form: GridForm, row: RowForm) -> CustomerField:
    """Return the field with the customer of a row.

    It is the row's field, or the one above the rows if the row's is blank.
    """
    return row.customer if row.customer.data or row.customer.errors or row.customer.process_errors else form.customer


def _find_service(typed: str, catalogue: Sequence[Service]) -> str:
    """Return the code of the service that was typed.

    The text is exactly the code, or the code or name in any case.

    Raises:
        Invalid: no service matches, or several do.
    """
    similar = [
        service for service in catalogue if typed.casefold() in {service.code.casefold(), service.name.casefold()}
    ]
    matches = [service for service in similar if service.code == typed] or similar
    if not matches:
        raise Invalid(
            "unknown_service", Phrase("No service matches “{typed}”. Choose one from the list.", typed=typed[:80])
        )
    if len(matches) > 1:
        codes = ", ".join(service.code for service in matches[:MAX_NAMED])
        raise Invalid(
            "several_services", Phrase("Several services match: {codes}. Enter one of the codes.", codes=codes)
        )
    return matches[0].code


def _add_problem(form: GridForm, row: RowForm, problem: Problem) -> None:
    """Add a problem to its field.

    A row whose id belongs to another saved charge gets a new id. A problem of a field above the rows is added once.
    """
    fields = {field.short_name: field for field in row.columns}
    name = str(problem.field[-1]) if problem.field else ""
    name, message = FIELD_NAMES.get(name, name), problem.message
    if name in _FIELDS_OF_ALL_ROWS:
        form[name].errors = [*dict.fromkeys([*form[name].errors, message])]
        return
    field = fields.get(name, row.service)
    if problem.code == "id_conflict":
        row.id.data = uuid4()
        message = already_saved_message(problem.differs, is_row=True)
    field.errors = [*field.errors, message]


def _prefix_errors_with_rows(form: GridForm) -> None:
    """Put the row number before each error, for the error summary."""
    for number, entry in enumerate(form.rows, 1):
        for field in entry.form:
            field.errors = [Phrase("Row {number}: {error}", number=number, error=error) for error in field.errors]
    _collect_row_errors(form)


def _describe_new_charges(posted: posting.PostingResult) -> str:
    """Return count and sums of the new charges: `20 charges of 120.00 EUR, 7.50 USD`."""
    amounts: dict[str, list[Decimal]] = defaultdict(list)
    for row in posted.rows:
        amounts[row["currency"]].append(row["amount"])
    sums = ", ".join(format_exact(exact_sum(amounts[currency]), currency) for currency in sorted(amounts))
    return (
        plural("{count} charge of {sums}", "{count} charges of {sums}", posted.created, sums=sums)
        if sums
        else Phrase("No new charges")
    )


def _redirect_after_saving(form: GridForm, posted: posting.PostingResult) -> ResponseReturnValue:
    message = (
        Phrase("{describe_new_charges} saved.", describe_new_charges=_describe_new_charges(posted))
        if posted.created
        else Phrase("These charges were already saved. They were not added again.")
    )
    if posted.duplicates:
        message += plural(
            " Review {count} likely duplicate.", " Review {count} likely duplicates.", len(posted.duplicates)
        )
    flash(message, "success")
    return redirect(url_for("charges.index", customer=form.customer.data or None), 303)
