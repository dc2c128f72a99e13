"""The header row of an imported file, and the fields that its columns fill."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from billing_admin.domain.customer_fields import COLUMN_PREFIX
from billing_admin.domain.errors import Invalid
from billing_admin.domain.imports.cells import CellFormat
from billing_admin.domain.imports.fields import IMPORT_KINDS, ImportField
from billing_admin.domain.translation import Phrase

MAX_COLUMNS = 200
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_EXPORTED_COLUMNS = 5  # a file with so many fields' own names is taken for an exported one
_LONGEST_HEADING = 80  # longer ones are not compared with names

# Names of fields in German, French and Spanish, and in the FOCUS format of cloud costs; without accents.
_TRANSLATIONS: Final[Mapping[str, str]] = {
    "customers.reference": "kunde kundennummer kundennr kunden_nr debitor debitorennummer client numero_client n_client"
    " code_client cliente numero_cliente n_cliente codigo_cliente sub_account_id",
    "customers.name": "kundenname firma firmenname unternehmen nom nom_client raison_sociale societe nombre"
    " nombre_cliente razon_social empresa sub_account_name",
    "customers.address": "adresse anschrift rechnungsadresse adresse_facturation direccion direccion_facturacion domicilio",
    "customers.street": "strasse strasse_hausnummer strasse_nr rue calle",
    "customers.street2": "adresszusatz adresse_2 complement complement_adresse direccion_2",
    "customers.postcode": "plz postleitzahl code_postal cp codigo_postal",
    "customers.city": "ort stadt wohnort ville localite ciudad poblacion localidad",
    "customers.region": "bundesland kanton departement provincia comunidad",
    "customers.country": "land landercode laendercode pays code_pays pais codigo_pais",
    "customers.registration_id": "handelsregisternummer handelsregister hrb firmenbuchnummer siren siret rcs kvk"
    " numero_registro registro_mercantil",
    "customers.electronic_address": "elektronische_adresse adresse_electronique_facture",
    "customers.language": "sprache langue idioma",
    "customers.paper": "papier papierformat format_papier papel",
    "customers.e_invoice": "e_rechnung erechnung facture_electronique factura_electronica",
    "customers.buyer_reference": "leitwegid kundenreferenz ihre_referenz ihr_zeichen votre_reference code_service"
    " su_referencia",
    "customers.contract": "vertrag vertragsnummer contrat numero_contrat contrato numero_contrato",
    "customers.delivery_name": "liefername lieferadresse_name nom_livraison nombre_entrega",
    "customers.delivery_street": "lieferstrasse lieferadresse_strasse rue_livraison calle_entrega",
    "customers.delivery_postcode": "liefer_plz lieferadresse_plz code_postal_livraison codigo_postal_entrega",
    "customers.delivery_city": "lieferort lieferadresse_ort ville_livraison ciudad_entrega",
    "customers.delivery_country": "lieferland lieferadresse_land pays_livraison pais_entrega",
    "customers.tax_id": "ustid ust_idnr ust_id_nr uid_nummer umsatzsteuer_id steuernummer numero_tva n_tva tva"
    " tva_intracommunautaire nif cif n_iva numero_iva",
    "customers.tax_treatment": "steuerbehandlung regime_tva regimen_fiscal",
    "customers.payment_terms_days": "zahlungsziel zahlungsziel_tage delai_paiement conditions_paiement plazo_pago"
    " condiciones_pago",
    "customers.notes": "notiz notizen bemerkung bemerkungen kommentar remarque remarques notas observaciones comentario",
    "email": "emailadresse mailadresse adresse_mail courriel adresse_electronique correo correo_electronico",
    "archived": "archiviert inaktiv archive inactif archivado inactivo",
    "currency": "wahrung waehrung devise monnaie moneda divisa billing_currency",
    "customer": "kunde kundennummer kundennr kunden_nr debitor client_code numero_client n_client code_client cliente"
    " numero_cliente n_cliente codigo_cliente sub_account_id",
    "services.code": "artikelnummer artikelnr leistung code_article codigo codigo_articulo referencia",
    "services.name": "bezeichnung leistungsname artikelbezeichnung nom designation libelle nombre denominacion",
    "services.unit": "einheit mengeneinheit unite unidad",
    "services.unit_code": "einheitencode einheitenschlussel einheitenschluessel code_unite codigo_unidad",
    "services.tax_rate": "steuersatz mwst mwst_satz ust_satz taux_tva tva tipo_iva iva",
    "unit_price": "preis einzelpreis stuckpreis stueckpreis listenpreis prix prix_unitaire pu precio precio_unitario",
    "revenue_account": "erloskonto erloeskonto konto compte compte_produit cuenta cuenta_ingresos",
    "services.includes_tax": "brutto inkl_mwst ttc impuesto_incluido iva_incluido",
    "charges.tax_included": "brutto inkl_mwst ttc impuesto_incluido iva_incluido",
    "charges.service": "leistung artikel artikelnummer artikelnr produkt prestation article produit servicio articulo"
    " producto service_name",
    "charges.description": "beschreibung bezeichnung positionstext libelle designation descripcion concepto"
    " charge_description",
    "charges.quantity": "menge anzahl stuckzahl stueckzahl quantite qte nombre cantidad",
    "charges.amount": "betrag summe gesamtpreis nettobetrag netto montant montant_ht total_ht importe importe_neto neto"
    " billed_cost cost",
    "charges.incurred_on": "datum tag leistungsdatum leistungstag buchungsdatum jour date_prestation fecha dia"
    " fecha_servicio charge_period_start",
    "charges.period_from": "leistung_von leistungszeitraum_von periode_von debut_periode periode_du periodo_desde",
    "charges.period_to": "leistung_bis leistungszeitraum_bis periode_bis fin_periode periode_au periodo_hasta",
    "charges.status": "statut estado",
    "payments.amount": "betrag zahlbetrag zahlungsbetrag montant montant_regle importe importe_pagado",
    "payments.received_on": "datum eingangsdatum zahlungsdatum buchungstag valuta wertstellung jour date_paiement"
    " date_reglement date_valeur fecha fecha_pago fecha_valor",
    "payments.method": "zahlungsart zahlungsweise mode_paiement mode_reglement forma_pago metodo_pago",
    "payments.reference": "verwendungszweck referenz motif libelle concepto referencia",
    "payments.allocate": "rechnung rechnungen rechnungsnummer rechnungsnr facture factures numero_facture n_facture"
    " factura facturas numero_factura n_factura",
    "payments.status": "statut estado",
    "contacts.name": "name kontakt ansprechpartner contact nom contacto persona",
    "contacts.invoices": "rechnungen factures facturas",
    "contacts.reminders": "mahnungen zahlungserinnerungen relances recordatorios",
    "contacts.statements": "kontoauszuge kontoauszuege releves extractos",
    "opening-balances.number": "rechnung rechnungsnummer rechnungsnr belegnummer belegnr beleg nummer facture numero_facture"
    " n_facture factura numero_factura n_factura",
    "opening-balances.original_date": "datum rechnungsdatum belegdatum date_facture fecha fecha_factura",
    "opening-balances.due_date": "fallig faellig falligkeit faelligkeit falligkeitsdatum faelligkeitsdatum echeance"
    " date_echeance vencimiento fecha_vencimiento",
    "opening-balances.open_amount": "offen offener_betrag restbetrag saldo offener_saldo montant_du solde reste_du"
    " pendiente importe_pendiente",
    "opening-balances.opened_on": "stichtag eroffnungsdatum eroeffnungsdatum date_reprise fecha_apertura",
    "opening-balances.original_total": "betrag rechnungsbetrag bruttobetrag brutto montant montant_ttc total_ttc importe"
    " importe_total",
    "opening-balances.original_tax": "steuer mwst ust steuerbetrag tva montant_tva iva",
    "opening-balances.purchase_order": "referenz bestellnummer bestellnr reference_commande pedido referencia",
    "key": "schlussel schluessel identifiant cle clave identificador",
}


def column_name(header: Sequence[str], index: int) -> str:
    """Return the name of a column (from 0), unique in its file.

    A name that several columns have gets the column's number, as in `Amount (column 3)`. A column without
    a name is called `(column 3)`.
    """
    name = header[index].strip()
    number = f"(column {index + 1})"
    if not name:
        return number
    return f"{name} {number}" if [heading.strip() for heading in header].count(name) > 1 else name


def check_header(header: Sequence[str]) -> None:
    """Raise Invalid if a header has too many columns."""
    if len(header) > MAX_COLUMNS:
        raise Invalid(
            "too_many_columns",
            Phrase(
                "Use at most {max_columns} columns: the header has {header_count:,}.",
                max_columns=MAX_COLUMNS,
                header_count=len(header),
            ),
        )


def guess_columns(kind: str, header: Sequence[str], rows: Sequence[Sequence[str]] = ()) -> dict[str, int]:
    """Return the column (from 0) of each field, guessed by name.

    Fields' own names are matched before labels and names of other systems, and these before names in other
    languages. Each column is used once. Columns of one name are not guessed: only a person can tell them
    apart. A column named “id” without UUIDs in the first rows is the key, if the kind has one.
    """
    if len(header) > MAX_COLUMNS:
        return {}
    headings = [normalise_heading(name) for name in header]
    repeated = {heading for heading, count in Counter(headings).items() if count > 1}
    free = {heading: index for index, heading in enumerate(headings) if heading not in repeated}
    columns: dict[str, int] = {}
    for names_of in (_own_names, _other_names, _translations):
        for import_field in IMPORT_KINDS[kind].fields.values():
            heading = next((name for name in names_of(kind, import_field) if name in free), None)
            if heading is not None and import_field.name not in columns:
                columns[import_field.name] = free.pop(heading)
    if kind == "customers":
        columns |= {
            name: index
            for index, name in enumerate(header)
            if name.startswith(COLUMN_PREFIX) and header.count(name) == 1
        }
    if "id" in columns:
        columns.pop("key", None)
        if _has_other_ids(rows, columns["id"]):
            index = columns.pop("id")
            columns |= {"key": index} if "key" in IMPORT_KINDS[kind].fields else {}
    return columns


def without_incomplete_prices(columns: Mapping[str, int], chosen: Collection[str] = ()) -> dict[str, int]:
    """Return guessed columns, without currency and tax if none has a price.

    Such columns mean something else. Columns that a person chose are kept.
    """
    if "unit_price" in columns:
        return dict(columns)
    return {
        name: index for name, index in columns.items() if name in chosen or name not in {"currency", "includes_tax"}
    }


def _has_other_ids(rows: Sequence[Sequence[str]], index: int) -> bool:
    """Return whether the cells of an id column are not UUIDs."""
    cells = [row[index].strip() for row in rows if index < len(row)]
    return any(cell and not _UUID.fullmatch(cell) for cell in cells)


def score_headers(kind: str, rows: Sequence[Sequence[str]]) -> list[int]:
    """Return how many columns of each row have the name of a field."""
    return [len(guess_columns(kind, cells)) for cells in rows]


def default_format(kind: str, header: Sequence[str], organisation_format: CellFormat) -> CellFormat:
    """Return the format to offer for a file.

    It is the organisation's, or plain decimals for exported files, whose columns have the fields' own names.
    """
    fields = IMPORT_KINDS[kind].fields
    is_exported = sum(name in fields for name in header) >= _EXPORTED_COLUMNS
    return CellFormat() if is_exported else organisation_format


def _own_names(_kind: str, import_field: ImportField) -> list[str]:
    return [normalise_heading(import_field.name)]


def _other_names(_kind: str, import_field: ImportField) -> list[str]:
    return [normalise_heading(name) for name in (import_field.label, *import_field.names)]


def _translations(kind: str, import_field: ImportField) -> list[str]:
    names = " ".join(_TRANSLATIONS.get(key, "") for key in (f"{kind}.{import_field.name}", import_field.name))
    return [normalise_heading(name) for name in names.split()]


def field_by_heading(kind: str) -> dict[str, str]:
    """Return the field that a column fills, by its normalised heading."""
    fields: dict[str, str] = {}
    for names_of in (_own_names, _other_names, _translations):
        for import_field in IMPORT_KINDS[kind].fields.values():
            for name in names_of(kind, import_field):
                fields.setdefault(name, import_field.name)
    return fields


def normalise_heading(name: str) -> str:
    """Return the ASCII letters and digits of a name in lower case, without accents."""
    folded = unicodedata.normalize("NFKD", name[:_LONGEST_HEADING].casefold())
    return "".join(character for character in folded if character.isascii() and character.isalnum())
