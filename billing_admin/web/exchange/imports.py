"""Imports: upload a file, map its columns, check it, and import it.

Each step has its own URL.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage

from billing_admin.background import wake_worker
from billing_admin.background.imports import open_file
from billing_admin.db.engine import db
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Invalid, NotFound
from billing_admin.domain.imports.fields import IMPORT_KINDS
from billing_admin.domain.imports.headers import (
    MAX_COLUMNS,
    default_format,
    guess_columns,
    score_headers,
    without_incomplete_prices,
)
from billing_admin.domain.imports.layouts import DELIMITER_LABELS, DELIMITERS, ENCODINGS, Layout, check_header_line
from billing_admin.domain.imports.plans import ImportPlan, for_another_file, header_key
from billing_admin.domain.imports.tally import Tally
from billing_admin.domain.translation import Phrase, join
from billing_admin.formats import csv_tables, import_errors, table_reader
from billing_admin.formats.table_reader import LayoutChoice, Preview
from billing_admin.http.body_limits import UPLOAD, body_limit
from billing_admin.http.downloads import Download, send_recorded, unrecorded_attachment
from billing_admin.models import Import
from billing_admin.operations import files
from billing_admin.operations.imports import imports
from billing_admin.queries import files as file_queries, imports as queries, jobs
from billing_admin.web.exchange.import_forms import (
    LAYOUT_FIELDS,
    MappingForm,
    UploadForm,
    layout_form,
    mapping_form,
    read_plan,
)
from billing_admin.web.frame.forms import add_errors, errors_on, render_form
from billing_admin.web.frame.guard import PageBlueprint, page_blueprint
from billing_admin.web.frame.list_params import choice_param, current_url, has_permission, text_param
from billing_admin.web.frame.signed_in import actor, now
from billing_admin.web.frame.system_lists import IMPORTS
from billing_admin.web.frame.tables import load_table

MAX_LINE_DIGITS = 4
# Errors that another layout may fix. The page to choose it shows these errors.
FIXED_BY_SETTINGS = {"other_encoding", "not_text", "unreadable_row", "no_rows"}

# Pages that only read; each kind of import has a blueprint with its own permission (`_build_pages`).
pages = page_blueprint("imports", __name__, "/imports", write="charges:write")


@pages.get("")
def index() -> ResponseReturnValue:
    """List all imports, newest first."""
    kind = choice_param("kind", IMPORT_KINDS)
    counts = queries.count_by_kind(db.session())
    all_files = {
        "label": Phrase("All"),
        "url": current_url(kind=None),
        "active": not kind,
        "count": sum(counts.values()),
    }
    tabs = [all_files] + [
        {
            "label": details.title,
            "url": current_url(kind=name),
            "active": name == kind,
            "count": counts.get(name, 0),
        }
        for name, details in IMPORT_KINDS.items()
    ]
    page = load_table(queries.imports(kind), IMPORTS)
    tallies = {row.id: Tally.of_data(row.made or row.promised) for row in page.rows}
    allowed = [(name, details) for name, details in IMPORT_KINDS.items() if has_permission(details.permission)]
    return render_template(
        "imports/list.html", page=page, kind=kind, tabs=tabs, kinds=IMPORT_KINDS, tallies=tallies, allowed=allowed
    )


@pages.get(f"/example/<any({', '.join(map(repr, IMPORT_KINDS))}):kind>.csv")
def example(kind: str) -> ResponseReturnValue:
    """Send an example CSV file of the kind."""
    fields = [field for field in IMPORT_KINDS[kind].fields.values() if field.example]
    names, cells = [field.name for field in fields], [field.example for field in fields]
    content = csv_tables.write_csv(names, [cells], numbers=names)
    return unrecorded_attachment(content, f"{kind}-example.csv", "text/csv; charset=utf-8")


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Show state and result of an import."""
    session = db.session()
    file_import = queries.import_by_id(session, id)
    job = jobs.latest_job(session, id)
    expected = Tally.of_data(file_import.promised) if file_import.promised else None
    plan = ImportPlan.of_data(file_import.plan) if file_import.plan else None
    fields = IMPORT_KINDS[file_import.kind].fields
    return render_template(
        "imports/show.html",
        file_import=file_import,
        kind=IMPORT_KINDS[file_import.kind],
        plan=plan,
        read_as=_describe_layout(plan) if plan else None,
        constants=[f"{field.label} {plan.constants[name]}" for name, field in fields.items() if name in plan.constants]
        if plan
        else [],
        job=job,
        live=job is not None and job.state in {"queued", "running"},
        expected=expected,
        imported=Tally.of_data(file_import.made) if file_import.made else None,
        errors=import_errors.read_first_errors(
            open_file(session, file_import.errors_id), file_import.error_phrases or []
        )
        if file_import.errors_id
        else [],
        earlier_import=queries.earlier_import(session, file_import),
        may_write=has_permission(IMPORT_KINDS[file_import.kind].permission),
        list_url=_list_url(file_import.kind),
    )


def _describe_layout(plan: ImportPlan) -> str:
    """Return how a file is read, as in `UTF-8, semicolon, numbers as 1.234,56`."""
    written = plan.written
    parts = [
        Phrase("sheet “{sheet}”", sheet=plan.sheet)
        if plan.sheet
        else Phrase(
            "{encoding}, {delimiter}",
            encoding=ENCODINGS[plan.encoding],
            delimiter=DELIMITER_LABELS[plan.delimiter].lower(),
        )
    ]
    if plan.header_line > 1:
        parts.append(Phrase("column names from line {line}", line=plan.header_line))
    parts.append(Phrase("numbers as {format}", format=written.number_format))
    parts.append(Phrase("dates as {order}", order=written.date_order.label))
    if written.accounting:
        parts.append(Phrase("(1.00) is negative"))
    return join(", ", parts)


@pages.get("/<uuid:id>/errors.csv")
def errors(id: UUID) -> ResponseReturnValue:
    """Send all errors of the check as a CSV file."""
    file_import = queries.import_by_id(db.session(), id)
    if file_import.errors_id is None:
        raise NotFound("no_errors", Phrase("This import has no error file. Check the file again to get one."), "id")
    file_id = file_queries.stored_file(db.session(), file_import.errors_id).id
    details = {"kind": "import-errors", "format": "csv"}
    file = Download(f"import-errors-{id}.csv", import_errors.MEDIA_TYPE, details, object_id=id)
    return send_recorded(file, lambda session: file_queries.file_chunks(session, file_id))


def new(kind: str) -> ResponseReturnValue:
    """Upload a file."""
    form = UploadForm()
    upload = request.files.get("file")
    if not form.validate_on_submit():
        pass
    elif upload is None or not upload.filename:
        form.file.errors = [Phrase("Choose a file.")]
    else:
        try:
            _check_readable(kind, upload)
        except Invalid as error:
            form.file.errors = [error.message]
        else:
            return redirect(url_for(f"imports.{kind}.columns", id=_store(kind, upload)), 303)
    return render_form("imports/upload.html", form, kind=IMPORT_KINDS[kind], name=kind, list_url=_list_url(kind))


def _list_url(kind: str) -> str:
    """Return the URL of the list of a kind.

    Contacts are on the pages of customers.
    """
    return url_for({"contacts": "customers"}.get(kind, kind.replace("-", "_")) + ".index")


def _check_readable(kind: str, upload: FileStorage) -> None:
    """Check that some layout makes the file readable.

    Raises:
        Invalid: No layout makes it readable.
    """

    def rewind() -> Any:
        upload.stream.seek(0)
        return upload.stream

    try:
        table_reader.preview(rewind, partial(score_headers, kind))
    except Invalid as error:
        if error.code not in FIXED_BY_SETTINGS:
            raise
    finally:
        upload.stream.seek(0)


def _store(kind: str, upload: FileStorage) -> UUID:
    parts = iter(lambda: upload.stream.read(files.PART_BYTES), b"")
    name = "".join(c for c in upload.filename or "" if c.isprintable())[-200:]
    file_id = files.store(transaction, parts, name, "text/csv", actor(), now())
    id: UUID = transaction(imports.create, kind, file_id, actor(), now())
    return id


def columns(kind: str, id: UUID) -> ResponseReturnValue:
    """Choose the file's format, map its columns to fields, and start the check."""
    file_import = _load_import(kind, id)
    if file_import.state in {"importing", "done"}:
        return redirect(url_for("imports.show", id=id), 303)
    if "read_again" in request.form:
        settings: dict[str, Any] = {name: request.form.get(name) for name in LAYOUT_FIELDS}
        return redirect(url_for(f"imports.{kind}.columns", id=id, **settings), 303)
    file_id = _require_file_id(file_import)
    choice = _choose_layout(file_import)
    try:
        beginning = table_reader.preview(lambda: open_file(db.session(), file_id), partial(_score_rows, kind), choice)
    except Invalid as error:
        return _unreadable_page(file_import, choice, error)
    form = mapping_form(kind, _initial_plan(file_import, beginning), beginning.sheets)
    if form.validate_on_submit():
        new_plan = read_plan(form, beginning.header)
        if new_plan.layout != beginning.layout:
            return redirect(current_url(**_layout_params(new_plan.layout, beginning.sheets)), 303)
        if not form.errors:
            with errors_on(
                form, {field: f"value_{field}" for field in IMPORT_KINDS[kind].fields} | {"skip": "skip_0_text"}
            ):
                transaction(_save_and_check, id, new_plan, actor(), now())
                wake_worker()
                return redirect(url_for("imports.show", id=id), 303)
    return _mapping_page(file_import, form, beginning)


def _layout_params(layout: Layout, sheets: Collection[str]) -> dict[str, Any]:
    """Return the layout as parameters of the URL."""
    if sheets:
        return {"sheet": layout.sheet, "header_line": layout.header_line, "encoding": None, "delimiter": None}
    return {
        "encoding": layout.encoding,
        "delimiter": layout.delimiter,
        "header_line": layout.header_line,
        "sheet": None,
    }


def _mapping_page(file_import: Import, form: MappingForm, beginning: Preview) -> ResponseReturnValue:
    samples = [
        [row.cells[index] if index < len(row.cells) else "" for row in beginning.rows]
        for index in range(len(form.columns()))
    ]
    options = [form[name] for name in ("existing", "settled", "method", "allocate") if name in form]
    return render_form(
        "imports/columns.html",
        form,
        file_import=file_import,
        kind=IMPORT_KINDS[file_import.kind],
        layout=_layout_params(beginning.layout, beginning.sheets),
        columns=list(zip(form.columns(), samples, strict=True)),
        options=options,
        earlier_import=queries.earlier_import(db.session(), file_import),
    )


def _unreadable_page(file_import: Import, choice: LayoutChoice, error: Invalid) -> ResponseReturnValue:
    sheets = table_reader.sheet_names(open_file(db.session(), _require_file_id(file_import)))
    layout = asdict(choice) | {"header_line": choice.header_line or 1}
    form = layout_form(layout, sheets)
    if not sheets:
        form.delimiter.choices = {"": Phrase("Detect automatically"), **DELIMITER_LABELS}
    first_field = form.layout_fields()[0].name
    add_errors(form, Invalid(error.code, error.message, first_field))
    return render_form(
        "imports/columns.html",
        form,
        file_import=file_import,
        kind=IMPORT_KINDS[file_import.kind],
        layout={},
        columns=[],
        options=[],
        earlier_import=None,
    )


def _choose_layout(file_import: Import) -> LayoutChoice:
    """Return the layout in the URL, or else the stored one; the rest is guessed.

    Raises:
        Invalid: A part of the layout in the URL does not exist.
    """
    requested = LayoutChoice(
        choice_param("encoding", ENCODINGS) or None,
        choice_param("delimiter", DELIMITERS) or None,
        _header_line_param(),
        text_param("sheet") or None,
    )
    if requested == LayoutChoice() and file_import.plan:
        return LayoutChoice(**asdict(ImportPlan.of_data(file_import.plan).layout))
    return requested


def _header_line_param() -> int | None:
    line = text_param("header_line")
    if not line:
        return None
    number = int(line) if line.isdecimal() and len(line) <= MAX_LINE_DIGITS else 0
    check_header_line(number)
    return number


def _score_rows(kind: str, rows: Sequence[Sequence[str]]) -> list[int]:
    """Return how well rows fit as the header.

    Headers of earlier imports fit best, then rows with many known names.
    """
    keys = [header_key(kind, cells) for cells in rows]
    remembered = queries.known_header_keys(db.session(), keys)
    guesses = score_headers(kind, rows)
    return [MAX_COLUMNS * (key in remembered) + guess for key, guess in zip(keys, guesses, strict=True)]


def _initial_plan(file_import: Import, beginning: Preview) -> ImportPlan:
    """Return the stored plan, or the latest plan for this header, or a guess.

    The guess is made from the column names. Options that change existing records, and days, are not taken
    over from another file.
    """
    header = beginning.header
    if file_import.plan and tuple(file_import.plan["header"]) == header:
        plan = ImportPlan.of_data(file_import.plan)
    elif remembered := queries.last_plan(db.session(), header_key(file_import.kind, header)):
        plan = for_another_file(file_import.kind, ImportPlan.of_data(remembered))
    else:
        columns = guess_columns(file_import.kind, header, [row.cells for row in beginning.rows])
        columns = without_incomplete_prices(columns) if file_import.kind == "services" else columns
        plan = ImportPlan(
            header,
            columns,
            written=default_format(file_import.kind, header, queries.organisation_cell_format(db.session())),
        )
    return replace(plan, **asdict(beginning.layout))


def _save_and_check(session: Session, id: UUID, plan: ImportPlan, actor: Actor, now: datetime) -> None:
    imports.set_plan(session, id, plan, actor, now)
    imports.request_check(session, id, actor, now)


def check(kind: str, id: UUID) -> ResponseReturnValue:
    """Check the file again: missing customers or services may have been added since."""
    transaction(imports.request_check, _load_import(kind, id).id, actor(), now())
    wake_worker()
    return redirect(url_for("imports.show", id=id), 303)


def start(kind: str, id: UUID) -> ResponseReturnValue:
    """Start the import, or continue one that stopped."""
    transaction(imports.request_import, _load_import(kind, id).id, actor(), now())
    wake_worker()
    return redirect(url_for("imports.show", id=id), 303)


def _load_import(kind: str, id: UUID) -> Import:
    """Return the import.

    Raises NotFound for another kind: the guard checked only this one.
    """
    file_import = queries.import_by_id(db.session(), id)
    if file_import.kind != kind:
        raise NotFound(
            "unknown_import",
            Phrase("There is no import of {kind} {id}.", kind=IMPORT_KINDS[kind].title.lower(), id=id),
            "id",
        )
    return file_import


def _require_file_id(file_import: Import) -> UUID:
    if file_import.file_id is None:
        raise Invalid("file_forgotten", Phrase("This file was deleted after thirty days. Upload it again."))
    return file_import.file_id


def _build_pages(kind: str) -> PageBlueprint:
    """Return the pages that upload, map, check and import files of one kind.

    The pages need the permission of the kind.
    """
    kind_pages = page_blueprint(kind, __name__, f"/{kind}", write=IMPORT_KINDS[kind].permission)
    kind_pages.add_url_rule("/new", "new", body_limit(UPLOAD)(partial(new, kind)), methods=["GET", "POST"])
    kind_pages.add_url_rule("/<uuid:id>/columns", "columns", partial(columns, kind), methods=["GET", "POST"])
    kind_pages.add_url_rule("/<uuid:id>/check", "check", partial(check, kind), methods=["POST"])
    kind_pages.add_url_rule("/<uuid:id>/start", "start", partial(start, kind), methods=["POST"])
    return kind_pages


for _kind in IMPORT_KINDS:
    pages.register_blueprint(_build_pages(_kind))
