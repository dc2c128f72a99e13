"""The built-in subjects and texts of messages to customers, by key and language.

They are letters: courteous, in formal address, and true for each document of their kind. A line whose fields are all
empty is left out (`domain.message_texts.render_text`).
"""

from collections.abc import Mapping
from typing import Final

# Key → language → subject and text.
BUILT_IN_TEXTS: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "invoice": {
        "en": (
            "Invoice {number} from {seller}",
            """\
Dear {name},

Please find attached our invoice {number} for {total}.
Please pay {open} by {due}.

Service period: {period}
Your order: {order}

If you have any questions, please reply to this e-mail.

Kind regards,
{seller}""",
        ),
        "de": (
            "Rechnung {number} von {seller}",
            """\
Sehr geehrte Damen und Herren,

anbei erhalten Sie unsere Rechnung {number} über {total}.
Bitte überweisen Sie {open} bis zum {due}.

Leistungszeitraum: {period}
Ihre Bestellung: {order}

Bei Fragen antworten Sie bitte auf diese E-Mail.

Mit freundlichen Grüßen
{seller}""",
        ),
        "fr": (
            "Facture {number} – {seller}",
            """\
Madame, Monsieur,

Veuillez trouver ci-joint notre facture {number} d’un montant de {total}.
Nous vous remercions de régler {open} au plus tard le {due}.

Période : {period}
Votre commande : {order}

Pour toute question, vous pouvez répondre à cet e-mail.

Cordialement,
{seller}""",
        ),
        "es": (
            "Factura {number} de {seller}",
            """\
Estimados señores:

Adjuntamos nuestra factura {number} por un importe de {total}.
Les rogamos que abonen {open} a más tardar el {due}.

Período: {period}
Su pedido: {order}

Si tienen alguna pregunta, respondan a este correo electrónico.

Atentamente,
{seller}""",
        ),
    },
    "credit_note": {
        "en": (
            "Credit note {number} from {seller}",
            """\
Dear {name},

Please find attached our credit note {number} for {total}.
It corrects our invoice {corrects}.

If you have any questions, please reply to this e-mail.

Kind regards,
{seller}""",
        ),
        "de": (
            "Rechnungskorrektur {number} von {seller}",
            """\
Sehr geehrte Damen und Herren,

anbei erhalten Sie unsere Rechnungskorrektur {number} über {total}.
Sie berichtigt unsere Rechnung {corrects}.

Bei Fragen antworten Sie bitte auf diese E-Mail.

Mit freundlichen Grüßen
{seller}""",
        ),
        "fr": (
            "Avoir {number} – {seller}",
            """\
Madame, Monsieur,

Veuillez trouver ci-joint notre avoir {number} d’un montant de {total}.
Il rectifie notre facture {corrects}.

Pour toute question, vous pouvez répondre à cet e-mail.

Cordialement,
{seller}""",
        ),
        "es": (
            "Nota de crédito {number} de {seller}",
            """\
Estimados señores:

Adjuntamos nuestra nota de crédito {number} por un importe de {total}.
Rectifica nuestra factura {corrects}.

Si tienen alguna pregunta, respondan a este correo electrónico.

Atentamente,
{seller}""",
        ),
    },
    "reminder-1": {
        "en": (
            "Payment reminder from {seller}",
            """\
Dear {name},

According to our records, the following documents are past their due date:

{documents}

Total due: {open}

Please pay this amount, or reply to this e-mail if something is unclear. If you have already paid, please disregard \
this message.

Kind regards,
{seller}""",
        ),
        "de": (
            "Zahlungserinnerung von {seller}",
            """\
Sehr geehrte Damen und Herren,

nach unseren Unterlagen sind die folgenden Belege überfällig:

{documents}

Fälliger Gesamtbetrag: {open}

Bitte überweisen Sie diesen Betrag, oder antworten Sie bei Fragen auf diese E-Mail. Falls Sie bereits gezahlt haben, \
betrachten Sie diese Nachricht bitte als gegenstandslos.

Mit freundlichen Grüßen
{seller}""",
        ),
        "fr": (
            "Rappel de paiement – {seller}",
            """\
Madame, Monsieur,

Sauf erreur de notre part, les documents suivants sont arrivés à échéance :

{documents}

Total dû : {open}

Nous vous remercions de régler ce montant ou de répondre à cet e-mail en cas de question. Si vous avez déjà effectué \
ce règlement, veuillez ne pas tenir compte de ce message.

Cordialement,
{seller}""",
        ),
        "es": (
            "Recordatorio de pago de {seller}",
            """\
Estimados señores:

Según nuestros registros, los siguientes documentos están vencidos:

{documents}

Total pendiente: {open}

Les rogamos que abonen este importe o respondan a este correo electrónico si tienen alguna pregunta. Si ya han \
realizado el pago, no tengan en cuenta este mensaje.

Atentamente,
{seller}""",
        ),
    },
    "reminder-2": {
        "en": (
            "Second reminder from {seller}",
            """\
Dear {name},

Despite our earlier reminder, there are still overdue amounts on your account:

{documents}

Total due: {open}

Please pay this amount now, or reply to this e-mail if there is a reason for the delay. If you have already paid, \
please disregard this message.

Kind regards,
{seller}""",
        ),
        "de": (
            "Zweite Mahnung von {seller}",
            """\
Sehr geehrte Damen und Herren,

trotz unserer Zahlungserinnerung weist Ihr Konto noch überfällige Beträge auf:

{documents}

Fälliger Gesamtbetrag: {open}

Bitte überweisen Sie diesen Betrag umgehend, oder nennen Sie uns den Grund der Verzögerung, indem Sie auf diese E-Mail \
antworten. Falls Sie bereits gezahlt haben, betrachten Sie diese Nachricht bitte als gegenstandslos.

Mit freundlichen Grüßen
{seller}""",
        ),
        "fr": (
            "Deuxième rappel – {seller}",
            """\
Madame, Monsieur,

Malgré notre précédent rappel, votre compte présente toujours des montants échus :

{documents}

Total dû : {open}

Nous vous prions de régler ce montant sans délai, ou de nous indiquer le motif du retard en répondant à cet e-mail. \
Si vous avez déjà effectué ce règlement, veuillez ne pas tenir compte de ce message.

Cordialement,
{seller}""",
        ),
        "es": (
            "Segundo recordatorio de {seller}",
            """\
Estimados señores:

A pesar de nuestro recordatorio anterior, su cuenta sigue presentando importes vencidos:

{documents}

Total pendiente: {open}

Les rogamos que abonen este importe de inmediato o nos indiquen el motivo del retraso respondiendo a este correo \
electrónico. Si ya han realizado el pago, no tengan en cuenta este mensaje.

Atentamente,
{seller}""",
        ),
    },
    "reminder-3": {
        "en": (
            "Final reminder from {seller}",
            """\
Dear {name},

Despite our earlier reminders, there are still overdue amounts on your account:

{documents}

Total due: {open}

This is our final reminder. Please pay this amount at once. Otherwise we will start collection. If you have already \
paid, please disregard this message.

Kind regards,
{seller}""",
        ),
        "de": (
            "Letzte Mahnung von {seller}",
            """\
Sehr geehrte Damen und Herren,

trotz unserer Mahnungen weist Ihr Konto noch überfällige Beträge auf:

{documents}

Fälliger Gesamtbetrag: {open}

Dies ist unsere letzte Mahnung. Bitte überweisen Sie diesen Betrag sofort. Andernfalls leiten wir das Inkasso ein. \
Falls Sie bereits gezahlt haben, betrachten Sie diese Nachricht bitte als gegenstandslos.

Mit freundlichen Grüßen
{seller}""",
        ),
        "fr": (
            "Dernier rappel – {seller}",
            """\
Madame, Monsieur,

Malgré nos précédents rappels, votre compte présente toujours des montants échus :

{documents}

Total dû : {open}

Ceci est notre dernier rappel. Nous vous prions de régler ce montant immédiatement. À défaut, nous engagerons une \
procédure de recouvrement. Si vous avez déjà effectué ce règlement, veuillez ne pas tenir compte de ce message.

Cordialement,
{seller}""",
        ),
        "es": (
            "Último recordatorio de {seller}",
            """\
Estimados señores:

A pesar de nuestros recordatorios anteriores, su cuenta sigue presentando importes vencidos:

{documents}

Total pendiente: {open}

Este es nuestro último recordatorio. Les rogamos que abonen este importe de inmediato. De lo contrario, iniciaremos \
el procedimiento de cobro. Si ya han realizado el pago, no tengan en cuenta este mensaje.

Atentamente,
{seller}""",
        ),
    },
    "statement": {
        "en": (
            "Statement of account from {seller}, {period}",
            """\
Dear {name},

Please find attached your statement of account for {period}.

Balance on {day}: {balance}
Overdue: {overdue}

If you have any questions, please reply to this e-mail.

Kind regards,
{seller}""",
        ),
        "de": (
            "Kontoauszug von {seller}, {period}",
            """\
Sehr geehrte Damen und Herren,

anbei erhalten Sie Ihren Kontoauszug für den Zeitraum {period}.

Saldo am {day}: {balance}
Überfällig: {overdue}

Bei Fragen antworten Sie bitte auf diese E-Mail.

Mit freundlichen Grüßen
{seller}""",
        ),
        "fr": (
            "Relevé de compte – {seller}, {period}",
            """\
Madame, Monsieur,

Veuillez trouver ci-joint votre relevé de compte (période : {period}).

Solde au {day} : {balance}
Montant échu : {overdue}

Pour toute question, vous pouvez répondre à cet e-mail.

Cordialement,
{seller}""",
        ),
        "es": (
            "Extracto de cuenta de {seller}, {period}",
            """\
Estimados señores:

Adjuntamos su extracto de cuenta (período: {period}).

Saldo a {day}: {balance}
Importe vencido: {overdue}

Si tienen alguna pregunta, respondan a este correo electrónico.

Atentamente,
{seller}""",
        ),
    },
}
