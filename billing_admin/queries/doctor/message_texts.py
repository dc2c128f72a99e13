"""Check that stored message texts can be filled in.

A text that was stored by another version may have fields that this one does not know.
"""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from billing_admin.domain.errors import Invalid
from billing_admin.domain.message_texts import check_message_text
from billing_admin.queries.doctor.findings import Check, Finding
from billing_admin.queries.messages.texts import texts_in_use

TEXTS = Check("message_texts", "Message texts have only fields that exist, and a subject of one line.")
CHECKS = (TEXTS,)


def find_violations(session: Session) -> Iterator[tuple[str, Finding]]:
    """Yield the organisation's own texts that could not be saved now."""
    for text in texts_in_use(session):
        try:
            check_message_text(text.key, text.text)
        except Invalid as error:
            problems = " ".join(problem.message for problem in error.problems)
            yield TEXTS.name, Finding("message_texts", f"{text.key}/{text.language}", problems)
