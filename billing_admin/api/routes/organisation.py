"""The organisation: its settings and its logo."""

import base64
import binascii
from datetime import date, datetime
from typing import Annotated, cast

from pydantic import WithJsonSchema

from billing_admin.api.frame.fields import (
    OMITTED,
    Body,
    City,
    CountryCode,
    CurrencyCode,
    Identifier,
    Name,
    Postcode,
    ResponseModel,
    SchemeCode,
    ShortText,
    enumeration,
    many_lines,
)
from billing_admin.api.frame.routing import Reply, route
from billing_admin.api.frame.versions import check_if_match, etag
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.days import DateOrder
from billing_admin.domain.errors import Invalid
from billing_admin.domain.master_data import MAX_ADDRESS_LENGTH, MAX_NOTE_LENGTH, OrganisationFields
from billing_admin.domain.number_format import NumberFormat
from billing_admin.domain.parties import LANGUAGES, PAPERS
from billing_admin.formats.logo import MAX_LOGO_BYTES, PNG, SVG, check_logo
from billing_admin.models import Logo, Organisation
from billing_admin.operations.master_data import logos, organisation as operations
from billing_admin.queries.master_data.logos import stored_logo
from billing_admin.queries.master_data.organisation import organisation

SCOPE = "settings:write"

Lines = Annotated[str, many_lines(MAX_ADDRESS_LENGTH)]
Note = Annotated[str, many_lines(MAX_NOTE_LENGTH)]
Colour = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^(#[0-9a-fA-F]{6})?$"})]
Language = Annotated[str, enumeration(*LANGUAGES)]
Paper = Annotated[str, enumeration(*PAPERS)]
Days = Annotated[int, WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 365})]
Base64 = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "contentEncoding": "base64",
            "minLength": 1,
            "maxLength": -(-MAX_LOGO_BYTES // 3) * 4,
            "description": "A PNG or SVG file as Base64.",
        }
    ),
]


class OrganisationChanges(Body):
    """Changes to the settings, which apply to documents that are issued from now on.

    Documents print `address` while `country` is empty, otherwise the parts of the address. `default_tax_rate` is a code.
    """

    legal_name: Name = OMITTED
    address: Lines = OMITTED
    street: ShortText = OMITTED
    street2: ShortText = OMITTED
    postcode: Postcode = OMITTED
    city: City = OMITTED
    region: City = OMITTED
    country: CountryCode = OMITTED
    registration_id: Identifier = OMITTED
    registration_scheme: SchemeCode = OMITTED
    electronic_address: Identifier = OMITTED
    electronic_scheme: SchemeCode = OMITTED
    tax_id: ShortText = OMITTED
    tax_number: ShortText = OMITTED
    legal_info: Lines = OMITTED
    contact_name: ShortText = OMITTED
    contact_phone: ShortText = OMITTED
    contact_email: ShortText = OMITTED
    language: Language = OMITTED
    paper: Paper = OMITTED
    accent: Colour = OMITTED
    terms: Note = OMITTED
    email: ShortText = OMITTED
    invoice_footer: Lines = OMITTED
    time_zone: str = OMITTED
    base_currency: CurrencyCode = OMITTED
    payment_terms_days: Days = OMITTED
    invoice_format: str = OMITTED
    credit_note_format: str = OMITTED
    exempt_note: Name = OMITTED
    exempt_vatex: ShortText = OMITTED
    reverse_charge_note: Name = OMITTED
    export_note: Name = OMITTED
    intra_community_note: Name = OMITTED
    hold_likely_duplicates: bool = OMITTED
    applies_credit: bool = OMITTED
    requires_complete_details: bool = OMITTED
    attach_pdf: bool = OMITTED
    default_tax_rate: Name = OMITTED
    number_format: Annotated[str, enumeration(*NumberFormat)] = OMITTED
    date_order: Annotated[str, enumeration(*DateOrder)] = OMITTED


class OrganisationOut(ResponseModel):
    """The settings of the organisation.

    `logo` is the SHA-256 of the logo. `locked_through` is the last day on which nothing may be dated.
    """

    legal_name: str
    address: str
    street: str
    street2: str
    postcode: str
    city: str
    region: str
    country: str
    registration_id: str
    registration_scheme: str
    electronic_address: str
    electronic_scheme: str
    tax_id: str
    tax_number: str
    legal_info: str
    contact_name: str
    contact_phone: str
    contact_email: str
    language: Language
    paper: Paper
    accent: str
    terms: str
    logo: str | None
    email: str
    invoice_footer: str
    time_zone: str
    base_currency: str
    payment_terms_days: int
    invoice_format: str
    credit_note_format: str
    exempt_note: str
    exempt_vatex: str
    reverse_charge_note: str
    export_note: str
    intra_community_note: str
    hold_likely_duplicates: bool
    applies_credit: bool
    requires_complete_details: bool
    attach_pdf: bool
    default_tax_rate: str
    number_format: Annotated[str, enumeration(*NumberFormat)]
    date_order: Annotated[str, enumeration(*DateOrder)]
    locked_through: date | None


class LogoIn(Body):
    """A logo: a PNG or an SVG.

    It has at most 512 KiB and 2,000 × 2,000 pixels. An SVG has shapes only: no scripts, links, texts or other files.
    """

    file: Base64


class LogoRemoval(Body):
    """The removal of the logo, which has no fields."""


class LogoOut(ResponseModel):
    """The logo, its size in pixels, and its file as Base64."""

    sha256: str
    media_type: Annotated[str, enumeration(PNG, SVG)]
    width: int
    height: int
    file: Base64


def _out(row: Organisation) -> OrganisationOut:
    values = {name: getattr(row, name) for name in OrganisationOut.model_fields}
    return OrganisationOut(**values | {"default_tax_rate": row.default_tax_rate.code})


def _logo_out(logo: Logo) -> LogoOut:
    return LogoOut(
        sha256=logo.sha256,
        media_type=logo.media_type,
        width=logo.width,
        height=logo.height,
        file=base64.b64encode(logo.data).decode(),
    )


@route("GET", "/organisation", scope="read", response=OrganisationOut, versioned=True)
def get_organisation() -> Reply:
    """Read the settings of the organisation."""
    row = organisation(db.session())
    return Reply(_out(row), headers={"ETag": etag(row.version)})


@route("PATCH", "/organisation", scope=SCOPE, body=OrganisationChanges, response=OrganisationOut, versioned=True)
def patch_organisation(actor: Actor, body: OrganisationChanges) -> Reply:
    """Change the settings that are sent."""
    content, version = transaction(_change, body, actor, now())
    return Reply(content, headers={"ETag": etag(version)})


def _change(session: Session, body: OrganisationChanges, actor: Actor, at: datetime) -> tuple[OrganisationOut, int]:
    version = organisation(session).version
    check_if_match(version)
    row = operations.update(session, cast("OrganisationFields", body.provided()), version, actor, at)
    return _out(row), row.version


@route("GET", "/organisation/logos/{sha256}", scope="read", response=LogoOut)
def get_logo(sha256: str) -> Reply:
    """Read the current logo, or an earlier one that issued documents show."""
    return Reply(_logo_out(stored_logo(db.session(), sha256)))


@route("POST", "/organisation/logo", scope=SCOPE, body=LogoIn, response=LogoOut)
def post_logo(actor: Actor, body: LogoIn) -> Reply:
    """Set the logo that documents issued from now on show."""
    file = check_logo(_decode(body.file))
    return Reply(_logo_out(transaction(logos.set_logo, file, actor, now())))


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid("not_base64", "Send the bytes of the file as Base64.", "file") from error


@route("POST", "/organisation/logo/remove", scope=SCOPE, body=LogoRemoval, body_optional=True, response=OrganisationOut)
def remove_logo(actor: Actor, body: LogoRemoval) -> Reply:  # noqa: ARG001 - the body has no fields
    """Remove the logo; issued documents keep it."""
    return Reply(transaction(_remove_logo, actor, now()))


def _remove_logo(session: Session, actor: Actor, at: datetime) -> OrganisationOut:
    logos.remove_logo(session, actor, at)
    return _out(organisation(session))
