"""The addresses of all pages: one of each route, found by following links from the dashboard."""

from collections import Counter
from html.parser import HTMLParser
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

from flask import Flask
from werkzeug.exceptions import HTTPException

from tests.people import signed_in

HTML = "text/html"
# Pages to which a form leads, beside those to which links lead.
BEHIND_FORMS = (
    "/billing-runs/preview?through={today}&make=issue&issue_date={today}",
    "/reminders/preview",
    "/search?q=cloud",
    "/search/help",
    "/keyboard",
    "/journal?from={year}-01-01&opening=1",
    "/month-end",
    "/payments/new",
    "/invoices?status=draft",
    "/payments?status=unallocated",
    "/saved-views/new",
)
# Lists and documents of several kinds, of which each leads to pages of its own: the number of them to visit.
SEVERAL = {"invoices.index": 2, "invoices.show": 8, "payments.index": 2, "payments.show": 5}
NOT_PAGES = ("/api/", "/static/", "/sign-out", "/docs/")


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "a" and (address := values.get("href")) and "download" not in values:
            self.found.append(address)


def find_pages(app: Flask, today: str) -> dict[str, str]:
    """Return a path for each page that a signed-in admin reaches, by its endpoint."""
    browser, routes = signed_in(app, email="every-page@example.com"), app.url_map.bind("localhost")
    waiting = ["/", *(path.format(today=today, year=today[:4]) for path in BEHIND_FORMS)]
    waiting += sorted(r.rule for r in app.url_map.iter_rules() if "GET" in (r.methods or ()) and not r.arguments)
    pages: dict[str, str] = {}
    visits: Counter[str] = Counter()
    asked: set[str] = set()
    while waiting:
        path = waiting.pop(0)
        try:
            endpoint, _ = routes.match(urlsplit(path).path, method="GET")
        except HTTPException:
            continue
        if path in asked or visits[endpoint] == SEVERAL.get(endpoint, 1) or path.startswith(NOT_PAGES):
            continue
        asked.add(path)
        answer = browser.get(path)
        if answer.status_code == HTTPStatus.OK and answer.content_type.startswith(HTML):
            pages.setdefault(endpoint, path)
            links = _Links()
            links.feed(answer.text)
            waiting += (urljoin(path, link).partition("#")[0] for link in links.found if not urlsplit(link).netloc)
        visits[endpoint] += answer.status_code == HTTPStatus.OK
    return dict(sorted(pages.items()))
