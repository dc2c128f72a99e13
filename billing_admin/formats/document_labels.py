"""The labels that printed documents have, in each of their languages.

Texts that people wrote (names, descriptions, notes, units of their own) are not translated.
"""

from typing import Final

from billing_admin.domain.parties import LANGUAGES

# In the order of `LANGUAGES`.
_TEXTS: Final[dict[str, tuple[str, str, str, str]]] = {
    # titles
    "invoice": ("Invoice", "Rechnung", "Facture", "Factura"),
    "credit_note": ("Credit note", "Rechnungskorrektur", "Avoir", "Nota de crédito"),
    "statement": ("Statement of account", "Kontoauszug", "Relevé de compte", "Extracto de cuenta"),
    "reminder_1": ("Payment reminder", "Zahlungserinnerung", "Rappel de paiement", "Recordatorio de pago"),
    "reminder_2": ("Second reminder", "Zweite Mahnung", "Deuxième rappel", "Segundo recordatorio"),
    "reminder_3": ("Final reminder", "Letzte Mahnung", "Dernier rappel", "Último recordatorio"),
    "receipt": ("Receipt", "Zahlungsbestätigung", "Reçu", "Recibo"),
    # marks
    "draft": ("DRAFT", "ENTWURF", "BROUILLON", "BORRADOR"),
    "void": ("VOID", "STORNIERT", "ANNULÉ", "ANULADO"),
    "test": ("TEST", "TEST", "TEST", "PRUEBA"),
    "void_since": ("Void since {day}", "Storniert am {day}", "Annulé le {day}", "Anulado el {day}"),
    # facts
    "number": ("Number", "Nummer", "Numéro", "Número"),
    "issued": ("Issue date", "Datum", "Date", "Fecha"),
    "due": ("Due date", "Fällig am", "Échéance", "Vencimiento"),
    "period": ("Service period", "Leistungszeitraum", "Période", "Período"),
    "corrects": ("Corrects", "Zu Rechnung", "Rectifie", "Rectifica"),
    "preceding": ("Preceding invoice", "Vorherige Rechnung", "Facture précédente", "Factura anterior"),
    "replaces": ("Replaces", "Ersetzt", "Remplace", "Sustituye a"),
    "number_of_day": ("{number} of {day}", "{number} vom {day}", "{number} du {day}", "{number} del {day}"),
    "order": ("Your order", "Ihre Bestellung", "Votre commande", "Su pedido"),
    "customer": ("Customer number", "Kundennummer", "Numéro de client", "Número de cliente"),
    "buyer_reference": ("Your reference", "Ihre Referenz", "Votre référence", "Su referencia"),
    "contract": ("Contract", "Vertrag", "Contrat", "Contrato"),
    "buyer_tax_id": ("Your tax ID", "Ihre USt-IdNr.", "Votre n° TVA", "Su NIF-IVA"),
    "ship_to": ("Ship to", "Lieferadresse", "Adresse de livraison", "Dirección de entrega"),
    # lines
    "position": ("No.", "Pos.", "N°", "N.º"),
    "description": ("Description", "Beschreibung", "Description", "Descripción"),
    "quantity": ("Quantity", "Menge", "Quantité", "Cantidad"),
    "unit_price": ("Unit price", "Einzelpreis", "Prix unitaire", "Precio unitario"),
    "tax": ("Tax", "USt.", "TVA", "IVA"),
    "net": ("Net", "Netto", "Net", "Neto"),
    "including": ("incl. {percent}", "inkl. {percent}", "{percent} compris", "{percent} incluido"),
    "days_of": ("{days} of {of} days", "{days} von {of} Tagen", "{days} jours sur {of}", "{days} de {of} días"),
    "carried_forward": ("Carried forward", "Übertrag", "À reporter", "Suma y sigue"),
    "previous_pages": ("From previous pages", "Übertrag", "Report", "Suma anterior"),
    # sums and taxes
    "total": ("Total", "Gesamtbetrag", "Total", "Total"),
    "total_credited": ("Total credited", "Korrekturbetrag", "Total de l’avoir", "Total abonado"),
    "tax_rate": ("Tax {percent}", "USt. {percent}", "TVA {percent}", "IVA {percent}"),
    "tax_base": ("Net amount", "Nettobetrag", "Montant net", "Importe neto"),
    "tax_amount": ("Tax amount", "Steuerbetrag", "Montant de TVA", "Cuota"),
    "tax_in_base": ("Tax in {currency}", "USt. in {currency}", "TVA en {currency}", "IVA en {currency}"),
    "rate_of_day": (
        "Exchange rate {rate} of {day}",
        "Wechselkurs {rate} vom {day}",
        "Taux de change {rate} du {day}",
        "Tipo de cambio {rate} de {day}",
    ),
    "S": ("Taxed", "Steuerpflichtig", "Taxable", "Sujeto"),
    "Z": ("Zero rated", "Nullsatz", "Taux zéro", "Tipo cero"),
    "E": ("Exempt", "Steuerbefreit", "Exonéré", "Exento"),
    "AE": (
        "Reverse charge",
        "Steuerschuldnerschaft des Leistungsempfängers",
        "Autoliquidation",
        "Inversión del sujeto pasivo",
    ),
    "O": ("Not subject to tax", "Nicht steuerbar", "Hors champ de la TVA", "No sujeto"),
    "G": (
        "Export outside the EU",
        "Ausfuhr in Drittländer",
        "Exportation hors de l’UE",
        "Exportación fuera de la UE",
    ),
    "K": (
        "Intra-community supply",
        "Innergemeinschaftliche Lieferung",
        "Livraison intracommunautaire",
        "Entrega intracomunitaria",
    ),
    "reason": ("Reason: {reason}", "Grund: {reason}", "Motif : {reason}", "Motivo: {reason}"),
    # payment
    "payment": ("Payment", "Zahlung", "Paiement", "Pago"),
    "amount": ("Amount", "Betrag", "Montant", "Importe"),
    "payee": ("Payee", "Empfänger", "Bénéficiaire", "Beneficiario"),
    "account_number": ("Account number", "Kontonummer", "Numéro de compte", "Número de cuenta"),
    "bank": ("Bank", "Bank", "Banque", "Banco"),
    "payment_reference": ("Reference", "Verwendungszweck", "Référence", "Concepto"),
    "payment_code": (
        "Scan to pay",
        "Zum Bezahlen scannen",
        "Scanner pour payer",
        "Escanear para pagar",
    ),
    "payment_code_of": (
        "QR code for the transfer of {amount}",
        "QR-Code für die Überweisung von {amount}",
        "Code QR pour le virement de {amount}",
        "Código QR para la transferencia de {amount}",
    ),
    # receipts
    "method": ("Method", "Zahlungsart", "Mode de paiement", "Forma de pago"),
    "bank_transfer": ("Bank transfer", "Überweisung", "Virement", "Transferencia"),
    "direct_debit": ("Direct debit", "Lastschrift", "Prélèvement", "Adeudo directo"),
    "card": ("Card", "Karte", "Carte", "Tarjeta"),
    "cash": ("Cash", "Bar", "Espèces", "Efectivo"),
    "cheque": ("Cheque", "Scheck", "Chèque", "Cheque"),
    "other": ("Other", "Sonstige", "Autre", "Otra"),
    "received_amount": ("Amount received", "Erhaltener Betrag", "Montant reçu", "Importe recibido"),
    "your_credit": ("Your credit", "Ihr Guthaben", "Votre crédit", "Su saldo a favor"),
    # seller
    "tax_id": ("Tax ID", "USt-IdNr.", "N° TVA", "NIF-IVA"),
    "tax_number": ("Tax number", "Steuernummer", "N° fiscal", "Número fiscal"),
    "registration": ("Registration", "Registernummer", "Immatriculation", "Registro"),
    "logo_of": ("Logo of {name}", "Logo von {name}", "Logo de {name}", "Logotipo de {name}"),
    "page": (
        "Page {page} of {pages}",
        "Seite {page} von {pages}",
        "Page {page} sur {pages}",
        "Página {page} de {pages}",
    ),
    # statements and reminders
    "as_of": ("As of", "Stand", "Au", "A fecha de"),
    "date": ("Date", "Datum", "Date", "Fecha"),
    "entry": ("Entry", "Vorgang", "Opération", "Movimiento"),
    "reference": ("Reference", "Beleg", "Référence", "Referencia"),
    "balance": ("Balance", "Saldo", "Solde", "Saldo"),
    "opening": ("Opening balance", "Anfangssaldo", "Solde initial", "Saldo inicial"),
    "closing": ("Closing balance", "Endsaldo", "Solde final", "Saldo final"),
    "no_movements": (
        "No movements in this period.",
        "Keine Vorgänge in diesem Zeitraum.",
        "Aucune opération pendant cette période.",
        "Ningún movimiento en este período.",
    ),
    "voided": ("Void invoice", "Stornierte Rechnung", "Facture annulée", "Factura anulada"),
    "received": ("Payment", "Zahlung", "Paiement", "Pago"),
    "reversal": ("Reversed payment", "Rückbuchung", "Paiement annulé", "Pago anulado"),
    "opening_invoice": (
        "Opening invoice",
        "Rechnung (Vortrag)",
        "Facture reportée",
        "Factura anterior",
    ),
    "opening_credit": ("Opening credit", "Guthaben (Vortrag)", "Crédit reporté", "Saldo a favor anterior"),
    "write_off": ("Write-off", "Ausbuchung", "Abandon de créance", "Baja de saldo"),
    "refund": ("Refund", "Rückzahlung", "Remboursement", "Reembolso"),
    "refund_reversal": ("Refund reversed", "Storno einer Rückzahlung", "Remboursement annulé", "Reembolso anulado"),
    "ageing": ("Balance by due date", "Saldo nach Fälligkeit", "Solde par échéance", "Saldo por vencimiento"),
    "not_due": ("Not due", "Nicht fällig", "Non échu", "No vencido"),
    "days_overdue": ("{days} days overdue", "{days} Tage überfällig", "Échu de {days} jours", "{days} días de retraso"),
    "unallocated": ("Credit", "Guthaben", "Crédit", "Saldo a favor"),
    "statement_period": ("Period", "Zeitraum", "Période", "Período"),
    "reminder_level": ("Reminder no.", "Mahnstufe", "Relance n°", "Aviso n.º"),
    "overdue_days": ("Days overdue", "Tage überfällig", "Jours de retard", "Días de retraso"),
    "open_amount": ("Open amount", "Offener Betrag", "Montant dû", "Importe pendiente"),
    "total_due": ("Total due", "Fälliger Gesamtbetrag", "Total dû", "Total pendiente"),
    "overdue_document": (
        "{number} of {issued}, due on {due}: {amount}",
        "{number} vom {issued}, fällig am {due}: {amount}",
        "{number} du {issued}, échéance le {due} : {amount}",
        "{number} del {issued}, vencimiento el {due}: {amount}",
    ),
    "more_documents": ("and {count} more", "und {count} weitere", "et {count} autres", "y {count} más"),
    "reminder_text_1": (
        "These documents are past their due date. Pay the total due, or contact us if something is unclear.",
        "Die folgenden Belege sind überfällig. Bitte überweisen Sie den Gesamtbetrag, oder melden Sie sich bei Fragen.",
        "Les documents suivants sont échus. Merci de régler le total dû, ou de nous contacter en cas de question.",
        "Los siguientes documentos están vencidos. Pague el total pendiente o contáctenos si tiene preguntas.",
    ),
    "reminder_text_2": (
        "We have reminded you before, but these documents are still unpaid. Pay the total due now.",
        "Trotz unserer Erinnerung sind die folgenden Belege noch offen. Bitte überweisen Sie den Gesamtbetrag umgehend.",
        "Malgré notre rappel, les documents suivants restent impayés. Merci de régler le total dû sans délai.",
        "A pesar de nuestro recordatorio, los siguientes documentos siguen pendientes. Pague el total de inmediato.",
    ),
    "reminder_text_3": (
        "This is our final reminder. Pay the total due at once. Otherwise we will start collection.",
        "Dies ist unsere letzte Mahnung. Ohne sofortige Zahlung leiten wir das Inkasso ein.",
        "Ceci est notre dernier rappel. Sans paiement immédiat, nous engagerons une procédure de recouvrement.",
        "Este es nuestro último recordatorio. Si no paga de inmediato, iniciaremos el cobro.",
    ),
}

LABELS: Final[dict[str, dict[str, str]]] = {
    language: {key: texts[place] for key, texts in _TEXTS.items()} for place, language in enumerate(LANGUAGES)
}
