"""What every kind of thing is made of: ask once, list through all pages, download a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from billing_client.answers import Download
from billing_client.calls import Call, Repeat
from billing_client.errors import UnexpectedAnswer
from billing_client.ids import new_id
from billing_client.transport import Request, Transport
from billing_client.values import made, to_json, to_query

PAGE = 100
NOTHING: Mapping[str, object] = {}
T = TypeVar("T")


class Resource:
    """A part of the client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def ask(
        self,
        answer: type[T],
        call: Call,
        *names: object,
        query: Mapping[str, object] = NOTHING,
        body: Mapping[str, object] = NOTHING,
        etag: str | None = None,
    ) -> T:
        """Make a call and return its answer. `names` go into its path, in their order."""
        url = self._url(call, names, query)
        if call.method == "GET":
            return self._read(answer, Request(call, url))
        content = dict(body)
        if call.repeat is Repeat.NAMED:
            content.setdefault("id", new_id())  # once, here, before the first try
        id = str(content["id"]) if "id" in content else None
        return self._read(answer, Request(call, url, to_json(content), id, etag))

    def each(
        self, answer: type[T], call: Call, filters: Mapping[str, object] = NOTHING, *, in_pages: bool = True
    ) -> Iterator[T]:
        """Go through a list, page by page as they are needed."""
        limit, after = PAGE if in_pages else None, None
        while True:
            url = self._url(call, (), {**filters, "limit": limit, "after": after})
            page = self._transport.ask(Request(call, url)).content
            if not isinstance(page, dict) or "data" not in page:
                raise UnexpectedAnswer("What should be a list is none.")
            yield from (made(answer, row) for row in page["data"])
            after = page.get("next")
            if after is None:
                return

    def file(self, call: Call, *names: object, path: str | Path, query: Mapping[str, object] = NOTHING) -> Download:
        """Write what a call answers to a file, which is there only once it is whole."""
        return self._transport.download(Request(call, self._url(call, names, query)), Path(path))

    def _read(self, answer: type[T], request: Request) -> T:
        reply = self._transport.ask(request)
        headers: dict[str, Any] = {"etag": reply.etag, "replayed": reply.replayed}
        return made(answer, {**reply.content, **headers} if isinstance(reply.content, dict) else reply.content)

    def _url(self, call: Call, names: tuple[object, ...], query: Mapping[str, object]) -> str:
        path = call.path
        for name in names:
            head, _, tail = path.partition("{")
            path = head + _quoted(name) + tail.partition("}")[2]
        behind = to_query(query)
        return self._transport.base + path + (f"?{behind}" if behind else "")


def _quoted(name: object) -> str:
    text = str(name)
    if text in {"", ".", ".."}:  # would be another address
        raise ValueError(f"“{text}” names nothing.")
    return quote(text, safe="")
