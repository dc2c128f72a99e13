"""Pages as a reader sees them: text, links, fields and forms, read by an HTML parser."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field as member
from functools import lru_cache

from flask import Flask
from lxml import etree
from sqlalchemy import event
from werkzeug.test import TestResponse

from billing_admin.db.engine import db
from billing_admin.domain.day_input import parse_day
from billing_admin.domain.days import DateOrder


@dataclass
class Element:
    """An element of a page: its tag, its attributes, and its content in order."""

    tag: str
    attributes: dict[str, str]
    content: list["Element | str"] = member(default_factory=list)

    def elements(self, *tags: str, **attributes: str) -> Iterator["Element"]:
        """Yield the elements inside with one of these tags (or any) and these attributes, in the order of the page."""
        for part in self.content:
            if isinstance(part, Element):
                if (not tags or part.tag in tags) and attributes.items() <= part.attributes.items():
                    yield part
                yield from part.elements(*tags, **attributes)

    def strings(self) -> Iterator[str]:
        """Yield the text inside in pieces, as tags divide it."""
        for part in self.content:
            if isinstance(part, str):
                yield part
            else:
                yield from part.strings()

    def text(self) -> str:
        """Return the text inside, with spaces for tags and line breaks."""
        text = " ".join(" ".join(self.strings()).split())
        return text.replace(" ,", ",").replace(" .", ".")


Page = TestResponse | Element | str


class _Builder:
    """Make elements from what the parser of lxml finds, ten times as fast as `html.parser`."""

    def __init__(self) -> None:
        self.open = [Element("", {})]

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        element = Element(tag, dict(attributes))
        self.open[-1].content.append(element)
        self.open.append(element)

    def end(self, _tag: str) -> None:
        self.open.pop()

    def data(self, text: str) -> None:
        content = self.open[-1].content
        if content and isinstance(content[-1], str):
            content[-1] += text  # the parser divides text at character references
        else:
            content.append(text)

    def close(self) -> Element:
        return self.open[0]


@lru_cache(maxsize=8)
def _parse(text: str) -> Element:
    root: Element = etree.fromstring(text, etree.HTMLParser(target=_Builder(), huge_tree=True))
    return root


def parse(page: Page) -> Element:
    """Return the tree of a page, or of a piece of HTML."""
    if isinstance(page, Element):
        return page
    return _parse(page if isinstance(page, str) else page.text)


def words(page: Page) -> str:
    """Return the text of a page's main part, as it is read; of a piece of HTML the whole text."""
    root = parse(page)
    return next(root.elements("main"), root).text()


def field(page: Page, name: str) -> str:
    """Return the value of the first input of a name."""
    values = fields(page, name)
    assert values, name
    return values[0]


def day_field(page: Page, name: str) -> str:
    """Return the day in the first input of a name, as an ISO date."""
    return parse_day(field(page, name), DateOrder.YEAR_FIRST).isoformat()


def fields(page: Page, name: str) -> list[str]:
    """Return the values of all inputs of a name."""
    return [element.attributes.get("value", "") for element in parse(page).elements("input", name=name)]


def hidden(page: Page, name: str) -> str:
    """Return the value of a hidden field."""
    return next(parse(page).elements("input", type="hidden", name=name)).attributes["value"]


def textarea(page: Page, name: str) -> str:
    """Return the text in a textarea; the line break after its tag does not count."""
    element = next(parse(page).elements("textarea", name=name))
    return "".join(element.strings()).replace("\r\n", "\n").removeprefix("\n")


def links(page: Page) -> list[tuple[str, str]]:
    """Return the text and the address of each link."""
    anchors = (element for element in parse(page).elements("a") if "href" in element.attributes)
    return [(" ".join("".join(anchor.strings()).split()), anchor.attributes["href"]) for anchor in anchors]


def link(page: Page, label: str) -> str:
    """Return the address of the first link of this label."""
    for text, address in links(page):
        if text == label:
            return address
    raise AssertionError(f"no link “{label}”")


def has_link(page: Page, label: str) -> bool:
    """Return whether a link has this label."""
    return any(text == label for text, _ in links(page))


def action(page: Page, ending: str) -> str:
    """Return the address of the form whose address ends so."""
    addresses = [element.attributes.get("action", "") for element in parse(page).elements("form")]
    return next(address for address in addresses if address.endswith(ending))


def has_action(page: Page, ending: str) -> bool:
    """Return whether the address of a form ends so."""
    return any(element.attributes.get("action", "").endswith(ending) for element in parse(page).elements("form"))


def objects(page: Page, prefix: str) -> list[str]:
    """Return the ids in the links to objects whose addresses begin so."""
    ids = [address.removeprefix(prefix) for _, address in links(page) if address.startswith(prefix)]
    return [id for id in ids if len(id) == 36 and "/" not in id]


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    """Yield a list that receives the SQL statements that are sent meanwhile.

    It leaves out that a session was used, which is stored once a minute.
    """
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_details: object) -> None:
        if not statement.startswith("UPDATE user_sessions"):
            sent.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)
