"""Rules for the views of lists that people save."""

from urllib.parse import parse_qsl, urlencode

from billing_admin.domain.errors import Invalid
from billing_admin.domain.text import check_text
from billing_admin.domain.translation import Phrase

MAX_NAME_LENGTH = 60
MAX_QUERY_LENGTH = 2_000
MAX_VIEWS = 50  # of a person and a list
NOT_SAVED = frozenset({"after", "view"})


def check_name(name: str) -> str:
    """Return the name of a view without surrounding spaces.

    Raises:
        Invalid: It is blank, too long, or has a character that cannot be shown.
    """
    name = " ".join(name.split())
    if not name:
        raise Invalid("name_missing", Phrase("Enter a name for the view."), "name")
    return check_text(name, "name", longest=MAX_NAME_LENGTH)


def clean_query(query: str) -> str:
    """Return the query of a list's URL without the cursor and the view.

    Raises:
        Invalid: It is too long to save.
    """
    pairs = [(name, value) for name, value in parse_qsl(query) if name not in NOT_SAVED]
    cleaned = urlencode([(name, value.replace("\0", "")) for name, value in pairs])
    if len(cleaned) > MAX_QUERY_LENGTH:
        raise Invalid("too_long", Phrase("These filters are too long to save. Shorten the texts in them."), "query")
    return cleaned
