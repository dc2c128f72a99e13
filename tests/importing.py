"""Files to import, brought and mapped as the pages do it."""

import io
from dataclasses import replace
from typing import Any
from uuid import UUID

from billing_admin.background.imports import check_file, import_file, open_file
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.imports.fields import IMPORT_KINDS
from billing_admin.domain.imports.headers import guess_columns
from billing_admin.domain.imports.layouts import Layout
from billing_admin.domain.imports.plans import ImportPlan
from billing_admin.domain.imports.rows import RowError
from billing_admin.domain.imports.tally import Tally
from billing_admin.formats import import_errors
from billing_admin.formats.table_reader import Table
from billing_admin.models import Import
from billing_admin.operations import files
from billing_admin.operations.imports import imports
from billing_admin.queries.imports import import_by_id
from tests.making import NOW


def bring(kind: str, content: bytes, name: str = "file.csv") -> UUID:
    """A file that was brought, and is not mapped yet."""
    file_id = files.store(transaction, iter([content]), name, "text/csv", SYSTEM, NOW)
    return transaction(imports.create, kind, file_id, SYSTEM, NOW)


def planned(kind: str, content: bytes, **how: Any) -> ImportPlan:
    """Return the plan by the header's names and the given choices; missing days are those of the import."""
    layout = Layout(**{name: how[name] for name in ("encoding", "delimiter", "header_line", "sheet") if name in how})
    header = Table(io.BytesIO(content), layout).header
    columns = guess_columns(kind, header)
    today = {name: "today" for name in ("incurred_on", "received_on") if name in IMPORT_KINDS[kind].fields}
    return replace(ImportPlan(header, columns, constants=today), **how)


def check(kind: str, text: str | bytes, **how: Any) -> Import:
    """Bring, map and check a file."""
    content = text if isinstance(text, bytes) else text.encode()
    id = bring(kind, content)
    transaction(imports.set_plan, id, planned(kind, content, **how), SYSTEM, NOW)
    check_file(id, SYSTEM, lambda _count: None)
    return as_it_is(id)


def take_in(kind: str, text: str | bytes, **how: Any) -> Import:
    """The same, and import it: what was promised is what is made."""
    one = check(kind, text, **how)
    assert one.state == "checked", errors(one)
    transaction(imports.start, one.id, SYSTEM, NOW)
    import_file(one.id, SYSTEM, lambda _count: None)
    done = as_it_is(one.id)
    assert (done.state, done.made) == ("done", done.promised)
    return done


def as_it_is(id: UUID) -> Import:
    """An import as it is stored now; it stays as it is when the session moves on."""
    found = import_by_id(db.session(), id)
    db.session.expunge(found)
    return found


def errors(one: Import) -> list[RowError]:
    """The first errors that the check found."""
    return import_errors.read_first_errors(open_file(db.session(), one.errors_id), ()) if one.errors_id else []


def told(one: Import) -> list[tuple[int, str, str]]:
    """The errors in short: line, column, value."""
    return [(error.line, error.column, error.value) for error in errors(one)]


def counted(one: Import) -> Tally:
    """What the check counted."""
    return Tally.of_data(one.promised)
