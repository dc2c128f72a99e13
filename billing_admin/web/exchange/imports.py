"""Imports: upload a file, map its columns, check it, and import it.

Each step has its own URL.
"""

import io
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from flask import Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage

from billing_admin.background import wake_worker
from billing_admin.background.imports import open_file
from billing_admin.db.engine import db
from billing_admin.db.transactions import Session, Stream, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Invalid, NotFound
from billing_admin.domain.imports.fields import IMPORT_KINDS
from billing_admin.domain.imports.headers import guess_columns
from billing_admin.domain.imports.plans import DELIMITERS, ENCODINGS, ImportPlan, header_key
from billing_admin.domain.imports.tally import Tally
from billing_admin.formats import csv_reader, csv_tables, import_errors
from billing_admin.http.body_limits import UPLOAD, body_limit
from billing_admin.models import Import
from billing_admin.operations import files
from billing_admin.operations.imports import imports
from billing_admin.queries import files as file_queries, imports as queries, jobs
from billing_admin.web.exchange.import_forms import FileFormatForm, MappingForm, UploadForm, mapping_form, read_plan
from billing_admin.web.frame.forms import add_errors, errors_on, render_form
from billing_admin.web.frame.guard import PageBlueprint, page_blueprint
from billing_admin.web.frame.list_params import choice_param, current_url, has_permission, load_page
from billing_admin.web.frame.signed_in import actor, now

SHOWN_ERRORS = 100
# Errors that another encoding or delimiter may fix. The page to choose them shows these errors.
FIXED_BY_SETTINGS = {"other_encoding", "not_text"}

# Pages that only read; each kind of import has a blueprint with its own permission (`_build_pages`).
pages = page_blueprint("imports", __name__, "/imports", write="charges:write")


@pages.get("")
def index() -> ResponseReturnValue:
    """List all imports, newest first."""
    kind = choice_param("kind", IMPORT_KINDS)
    tabs = [{"label": "All", "url": current_url(kind=None), "active": not kind}]
    tabs += [
        {"label": details.title, "url": current_url(kind=name), "active": name == kind}
        for name, details in IMPORT_KINDS.items()
    ]
    page = load_page(queries.imports(kind))
    tallies = {row.id: Tally.of_data(row.made or row.promised) for row in page.rows}
    allowed = [(name, details) for name, details in IMPORT_KINDS.items() if has_permission(details.permission)]
    return render_template(
        "imports/list.html", page=page, kind=kind, tabs=tabs, kinds=IMPORT_KINDS, tallies=tallies, allowed=allowed
    )


@pages.get("/example/<any('customers', 'services', 'charges', 'payments'):kind>.csv")
def example(kind: str) -> ResponseReturnValue:
    """Send an example CSV file of the kind."""
    fields = [field for field in IMPORT_KINDS[kind].fields.values() if field.example]
    names, cells = [field.name for field in fields], [field.example for field in fields]
    content = csv_tables.write_csv(names, [cells], numbers=names)
    return Response(
        content,
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{kind}-example.csv"'},
    )


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Show state and result of an import."""
    session = db.session()
    file_import = queries.import_by_id(session, id)
    job = jobs.latest_job(session, id)
    expected = Tally.of_data(file_import.promised) if file_import.promised else None
    return render_template(
        "imports/show.html",
        file_import=file_import,
        kind=IMPORT_KINDS[file_import.kind],
        plan=ImportPlan.of_data(file_import.plan) if file_import.plan else None,
        job=job,
        live=job is not None and job.state in {"queued", "running"},
        expected=expected,
        imported=Tally.of_data(file_import.made) if file_import.made else None,
        errors=import_errors.read_first_errors(open_file(session, file_import.errors_id), SHOWN_ERRORS)
        if file_import.errors_id
        else [],
        earlier_import=queries.earlier_import(session, file_import),
        may_write=has_permission(IMPORT_KINDS[file_import.kind].permission),
    )


@pages.get("/<uuid:id>/errors.csv")
def errors(id: UUID) -> ResponseReturnValue:
    """Send all errors of the check as a CSV file."""
    file_import = queries.import_by_id(db.session(), id)
    if file_import.errors_id is None:
        raise NotFound("no_errors", "This import has no error file. Check the file again to get one.", "id")
    file_id = file_queries.stored_file(db.session(), file_import.errors_id).id
    return Response(
        Stream(lambda session: file_queries.file_chunks(session, file_id)),
        mimetype=import_errors.MEDIA_TYPE,
        headers={"Content-Disposition": f'attachment; filename="import-errors-{id}.csv"'},
    )


def new(kind: str) -> ResponseReturnValue:
    """Upload a file."""
    form = UploadForm()
    upload = request.files.get("file")
    if not form.validate_on_submit():
        pass
    elif upload is None or not upload.filename:
        form.file.errors = ["Choose a file."]
    else:
        try:
            _check_readable(upload)
        except Invalid as error:
            form.file.errors = [error.message]
        else:
            return redirect(url_for(f"imports.{kind}.columns", id=_store(kind, upload)), 303)
    return render_form("imports/upload.html", form, kind=IMPORT_KINDS[kind], name=kind)


def _check_readable(upload: FileStorage) -> None:
    """Check that some choice of encoding and delimiter makes the file readable.

    Raises:
        Invalid: No choice makes it readable.
    """
    head = upload.stream.read(csv_reader.HEADER_BYTES)
    upload.stream.seek(0)
    encoding = csv_reader.guess_encoding(io.BytesIO(head))
    try:
        csv_reader.guess_delimiter(lambda: io.BufferedReader(io.BytesIO(head)), encoding)
    except Invalid as error:
        if error.code not in FIXED_BY_SETTINGS:
            raise


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
        settings: dict[str, Any] = {name: request.form.get(name) for name in ("encoding", "delimiter")}
        return redirect(url_for(f"imports.{kind}.columns", id=id, **settings), 303)
    encoding = _choose_encoding(file_import)
    try:
        delimiter = _choose_delimiter(file_import, encoding)
        header, first_rows = csv_reader.read_sample(
            open_file(db.session(), _require_file_id(file_import)), encoding, delimiter
        )
    except Invalid as error:
        return _unreadable_page(file_import, encoding, error)
    plan = _initial_plan(file_import, header, encoding, delimiter)
    form = mapping_form(kind, plan)
    if form.validate_on_submit():
        new_plan = read_plan(form, header, form.encoding.data, form.delimiter.data)
        if new_plan.encoding != encoding or new_plan.delimiter != delimiter:
            return redirect(current_url(encoding=new_plan.encoding, delimiter=new_plan.delimiter), 303)
        if not form.errors:
            with errors_on(form):
                transaction(_save_and_check, id, new_plan, actor(), now())
                wake_worker()
                return redirect(url_for("imports.show", id=id), 303)
    return _mapping_page(file_import, form, first_rows)


def _mapping_page(file_import: Import, form: MappingForm, first_rows: Any) -> ResponseReturnValue:
    samples = [
        [row.cells[index] if index < len(row.cells) else "" for row in first_rows]
        for index in range(len(form.columns()))
    ]
    options = [form[name] for name in ("existing", "settled", "method", "allocate") if name in form]
    return render_form(
        "imports/columns.html",
        form,
        file_import=file_import,
        kind=IMPORT_KINDS[file_import.kind],
        columns=list(zip(form.columns(), samples, strict=True)),
        options=options,
        earlier_import=queries.earlier_import(db.session(), file_import),
    )


def _unreadable_page(file_import: Import, encoding: str, error: Invalid) -> ResponseReturnValue:
    form = FileFormatForm(formdata=None, encoding=encoding, delimiter=choice_param("delimiter", DELIMITERS))
    form.delimiter.choices = {"": "Detect automatically"} | {name: name.capitalize() for name in DELIMITERS}
    add_errors(form, Invalid(error.code, error.message, "encoding"))
    return render_form(
        "imports/columns.html",
        form,
        file_import=file_import,
        kind=IMPORT_KINDS[file_import.kind],
        columns=[],
        options=[],
        earlier_import=None,
    )


def _choose_encoding(file_import: Import) -> str:
    """Return the encoding in the URL, or the stored one, or a guess.

    The guess is made from the bytes of the file.
    """
    stored = ImportPlan.of_data(file_import.plan).encoding if file_import.plan else ""
    chosen = choice_param("encoding", ENCODINGS) or stored
    return chosen or csv_reader.guess_encoding(open_file(db.session(), _require_file_id(file_import)))


def _choose_delimiter(file_import: Import, encoding: str) -> str:
    """Return the delimiter in the URL, or the stored one, or a guess.

    The guess is the delimiter that makes most columns.

    Raises:
        Invalid: if the file cannot be read.
    """
    stored = ImportPlan.of_data(file_import.plan).delimiter if file_import.plan else ""
    requested, file_id = choice_param("delimiter", DELIMITERS), _require_file_id(file_import)
    return requested or stored or csv_reader.guess_delimiter(lambda: open_file(db.session(), file_id), encoding)


def _initial_plan(file_import: Import, header: tuple[str, ...], encoding: str, delimiter: str) -> ImportPlan:
    """Return the stored plan, or the latest plan for this header, or a guess.

    The guess is made from the column names. Options that change existing records are not taken over from
    another file.
    """
    if file_import.plan and tuple(file_import.plan["header"]) == header:
        plan = ImportPlan.of_data(file_import.plan)
    elif remembered := queries.last_plan(db.session(), header_key(file_import.kind, header)):
        plan = replace(ImportPlan.of_data(remembered), update=False, settled=False)
    else:
        plan = ImportPlan(header, guess_columns(file_import.kind, header))
    return replace(plan, encoding=encoding, delimiter=delimiter)


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
        raise NotFound("unknown_import", f"There is no import of {kind} {id}.", "id")
    return file_import


def _require_file_id(file_import: Import) -> UUID:
    if file_import.file_id is None:
        raise Invalid("file_forgotten", "This file was deleted after thirty days. Upload it again.")
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
