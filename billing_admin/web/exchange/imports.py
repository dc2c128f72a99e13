"""Imports: bring a file, say which column is which, look at what the check found, take it in. Each has a permanent address."""

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
from billing_admin.domain.imports.fields import (
    DELIMITERS,
    ENCODINGS,
    IMPORT_KINDS,
    ImportPlan,
    guess_columns,
    header_key,
)
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
# What another encoding or delimiter may mend: it is said where these are chosen.
FIXED_BY_SETTINGS = {"other_encoding", "not_text"}

pages = page_blueprint("imports", __name__, "/imports", write="charges:write")  # only reads; each kind states its own


@pages.get("")
def index() -> ResponseReturnValue:
    """All imports, newest first."""
    kind = choice_param("kind", IMPORT_KINDS)
    tabs = [{"label": "All", "url": current_url(kind=None), "active": not kind}]
    tabs += [
        {"label": one.title, "url": current_url(kind=name), "active": name == kind}
        for name, one in IMPORT_KINDS.items()
    ]
    page = load_page(queries.imports(kind))
    tallies = {one.id: Tally.of_data(one.made or one.promised) for one in page.rows}
    allowed = [(name, one) for name, one in IMPORT_KINDS.items() if has_permission(one.permission)]
    return render_template(
        "imports/list.html", page=page, kind=kind, tabs=tabs, kinds=IMPORT_KINDS, tallies=tallies, allowed=allowed
    )


@pages.get("/example/<any('customers', 'services', 'charges', 'payments'):kind>.csv")
def example(kind: str) -> ResponseReturnValue:
    """A small file of the kind, to fill in."""
    fields = [one for one in IMPORT_KINDS[kind].fields.values() if one.example]
    names, cells = [one.name for one in fields], [one.example for one in fields]
    content = csv_tables.write_csv(names, [cells], numbers=names)
    return Response(
        content,
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{kind}-example.csv"'},
    )


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Where an import stands, and what became of it."""
    session = db.session()
    one = queries.import_by_id(session, id)
    job = jobs.latest_job(session, id)
    promised = Tally.of_data(one.promised) if one.promised else None
    return render_template(
        "imports/show.html",
        one=one,
        kind=IMPORT_KINDS[one.kind],
        plan=ImportPlan.of_data(one.plan) if one.plan else None,
        job=job,
        live=job is not None and job.state in {"queued", "running"},
        promised=promised,
        made=Tally.of_data(one.made) if one.made else None,
        errors=import_errors.read_first_errors(open_file(session, one.errors_id), SHOWN_ERRORS)
        if one.errors_id
        else [],
        before=queries.earlier_import(session, one),
        may_write=has_permission(IMPORT_KINDS[one.kind].permission),
    )


@pages.get("/<uuid:id>/errors.csv")
def errors(id: UUID) -> ResponseReturnValue:
    """Every error that the check found."""
    one = queries.import_by_id(db.session(), id)
    if one.errors_id is None:
        raise NotFound("no_errors", "No errors are kept for this import.", "id")
    file_id = file_queries.stored_file(db.session(), one.errors_id).id
    return Response(
        Stream(lambda session: file_queries.file_chunks(session, file_id)),
        mimetype=import_errors.MEDIA_TYPE,
        headers={"Content-Disposition": f'attachment; filename="import-errors-{id}.csv"'},
    )


def new(kind: str) -> ResponseReturnValue:
    """Bring a file."""
    form = UploadForm()
    brought = request.files.get("file")
    if not form.validate_on_submit():
        pass
    elif brought is None or not brought.filename:
        form.file.errors = ["Choose a file."]
    else:
        try:
            _look_at(brought)
        except Invalid as refusal:
            form.file.errors = [refusal.message]
        else:
            return redirect(url_for(f"imports.{kind}.columns", id=_store(kind, brought)), 303)
    return render_form("imports/upload.html", form, kind=IMPORT_KINDS[kind], name=kind)


def _look_at(brought: FileStorage) -> None:
    """Refuse at once what no choice could make readable."""
    head = brought.stream.read(csv_reader.HEADER_BYTES)
    brought.stream.seek(0)
    try:
        csv_reader.guess_delimiter(lambda: io.BufferedReader(io.BytesIO(head)), csv_reader.guess_encoding(head[:4]))
    except Invalid as refusal:
        if refusal.code not in FIXED_BY_SETTINGS:
            raise


def _store(kind: str, brought: FileStorage) -> UUID:
    parts = iter(lambda: brought.stream.read(files.PART_BYTES), b"")
    name = "".join(c for c in brought.filename or "" if c.isprintable())[-200:]
    file_id = files.store(transaction, parts, name, "text/csv", actor(), now())
    id: UUID = transaction(imports.create, kind, file_id, actor(), now())
    return id


def columns(kind: str, id: UUID) -> ResponseReturnValue:
    """Say how the file is read, and which of its columns is which field."""
    one = _of_kind(kind, id)
    if one.state in {"importing", "done"}:
        return redirect(url_for("imports.show", id=id), 303)
    if "read_again" in request.form:
        chosen: dict[str, Any] = {name: request.form.get(name) for name in ("encoding", "delimiter")}
        return redirect(url_for(f"imports.{kind}.columns", id=id, **chosen), 303)
    encoding = _encoding(one)
    try:
        delimiter = _delimiter(one, encoding)
        header, first = csv_reader.read_sample(open_file(db.session(), _file_id(one)), encoding, delimiter)
    except Invalid as refusal:
        return _unreadable(one, encoding, refusal)
    plan = _plan(one, header, encoding, delimiter)
    form = mapping_form(kind, plan)
    if form.validate_on_submit():
        said = read_plan(form, header, form.encoding.data, form.delimiter.data)
        if said.encoding != encoding or said.delimiter != delimiter:
            return redirect(current_url(encoding=said.encoding, delimiter=said.delimiter), 303)
        if not form.errors:
            with errors_on(form):
                transaction(_check, id, said, actor(), now())
                wake_worker()
                return redirect(url_for("imports.show", id=id), 303)
    return _mapping_page(one, form, first)


def _mapping_page(one: Import, form: MappingForm, first: Any) -> ResponseReturnValue:
    cells = [
        [row.cells[place] if place < len(row.cells) else "" for row in first] for place in range(len(form.columns()))
    ]
    beside = [form[name] for name in ("existing", "settled", "method", "allocate") if name in form]
    return render_form(
        "imports/columns.html",
        form,
        one=one,
        kind=IMPORT_KINDS[one.kind],
        columns=list(zip(form.columns(), cells, strict=True)),
        beside=beside,
        before=queries.earlier_import(db.session(), one),
    )


def _unreadable(one: Import, encoding: str, refusal: Invalid) -> ResponseReturnValue:
    form = FileFormatForm(formdata=None, encoding=encoding, delimiter=choice_param("delimiter", DELIMITERS))
    form.delimiter.choices = {"": "What makes most columns"} | {name: name.capitalize() for name in DELIMITERS}
    add_errors(form, Invalid(refusal.code, refusal.message, "encoding"))
    return render_form(
        "imports/columns.html", form, one=one, kind=IMPORT_KINDS[one.kind], columns=[], beside=[], before=None
    )


def _encoding(one: Import) -> str:
    """What the address asks for, or what was chosen before, or what the file says of itself."""
    kept = ImportPlan.of_data(one.plan).encoding if one.plan else ""
    begins = open_file(db.session(), _file_id(one)).read(4)
    return choice_param("encoding", ENCODINGS) or kept or csv_reader.guess_encoding(begins)


def _delimiter(one: Import, encoding: str) -> str:
    """Likewise; else what makes most columns. Raises Invalid for a file that cannot be read."""
    kept = ImportPlan.of_data(one.plan).delimiter if one.plan else ""
    asked, file_id = choice_param("delimiter", DELIMITERS), _file_id(one)
    return asked or kept or csv_reader.guess_delimiter(lambda: open_file(db.session(), file_id), encoding)


def _plan(one: Import, header: tuple[str, ...], encoding: str, delimiter: str) -> ImportPlan:
    """What was decided for this file, or for the last one with this header, but for what changes things; else by names."""
    if one.plan and tuple(one.plan["header"]) == header:
        plan = ImportPlan.of_data(one.plan)
    elif kept := queries.last_plan(db.session(), header_key(one.kind, header)):
        plan = replace(ImportPlan.of_data(kept), update=False, settled=False)
    else:
        plan = ImportPlan(header, guess_columns(one.kind, header))
    return replace(plan, encoding=encoding, delimiter=delimiter)


def _check(session: Session, id: UUID, plan: ImportPlan, who: Actor, at: datetime) -> None:
    imports.set_plan(session, id, plan, who, at)
    imports.request_check(session, id, who, at)


def check(kind: str, id: UUID) -> ResponseReturnValue:
    """Check the file again: what it refers to may have been mended."""
    transaction(imports.request_check, _of_kind(kind, id).id, actor(), now())
    wake_worker()
    return redirect(url_for("imports.show", id=id), 303)


def start(kind: str, id: UUID) -> ResponseReturnValue:
    """Take the file in, or go on."""
    transaction(imports.request_import, _of_kind(kind, id).id, actor(), now())
    wake_worker()
    return redirect(url_for("imports.show", id=id), 303)


def _of_kind(kind: str, id: UUID) -> Import:
    """The guard has asked for this kind's permission, so no other kind's import may be named here."""
    one = queries.import_by_id(db.session(), id)
    if one.kind != kind:
        raise NotFound("unknown_import", f"There is no import of {kind} {id}.", "id")
    return one


def _file_id(one: Import) -> UUID:
    if one.file_id is None:
        raise Invalid("file_forgotten", "The file was deleted after 30 days. Upload it again.")
    return one.file_id


def _pages_of(kind: str) -> PageBlueprint:
    """The pages that change something, under the permission of their kind."""
    made = page_blueprint(kind, __name__, f"/{kind}", write=IMPORT_KINDS[kind].permission)
    made.add_url_rule("/new", "new", body_limit(UPLOAD)(partial(new, kind)), methods=["GET", "POST"])
    made.add_url_rule("/<uuid:id>/columns", "columns", partial(columns, kind), methods=["GET", "POST"])
    made.add_url_rule("/<uuid:id>/check", "check", partial(check, kind), methods=["POST"])
    made.add_url_rule("/<uuid:id>/start", "start", partial(start, kind), methods=["POST"])
    return made


for _kind in IMPORT_KINDS:
    pages.register_blueprint(_pages_of(_kind))
