"""The base class of all resources: make a call, list all pages, download a file."""

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
from billing_client.values import from_content, to_json, to_query

PAGE_SIZE = 100
EMPTY: Mapping[str, object] = {}
T = TypeVar("T")


class Resource:
    """The calls for one kind of object."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def ask(
        self,
        answer: type[T],
        call: Call,
        *names: object,
        query: Mapping[str, object] = EMPTY,
        body: Mapping[str, object] = EMPTY,
        etag: str | None = None,
    ) -> T:
        """Make a call and return its response.

        `names` fill the placeholders of the path in their order.
        """
        url = self._url(call, names, query)
        if call.method == "GET":
            return self._read(answer, Request(call, url))
        content = dict(body)
        if call.repeat is Repeat.NAMED:
            content.setdefault("id", new_id())  # before the first attempt, so that all attempts send the same id
        id = str(content["id"]) if "id" in content else None
        return self._read(answer, Request(call, url, to_json(content), id, etag))

    def each(
        self,
        answer: type[T],
        call: Call,
        filters: Mapping[str, object] = EMPTY,
        *names: object,
        in_pages: bool = True,
    ) -> Iterator[T]:
        """Yield the objects of a list, and load its pages on demand.

        `names` fill the placeholders of the path in their order.
        """
        limit, after = PAGE_SIZE if in_pages else None, None
        while True:
            url = self._url(call, names, {**filters, "limit": limit, "after": after})
            page = self._transport.ask(Request(call, url)).content
            if not isinstance(page, dict) or "data" not in page:
                raise UnexpectedAnswer("The server did not answer with a list. Check the address of the server.")
            yield from (from_content(answer, row) for row in page["data"])
            after = page.get("next")
            if after is None:
                return

    def file(self, call: Call, *names: object, path: str | Path, query: Mapping[str, object] = EMPTY) -> Download:
        """Write the response of a call to a file, which appears only when it is complete."""
        return self._transport.download(Request(call, self._url(call, names, query)), Path(path))

    def _read(self, answer: type[T], request: Request) -> T:
        reply = self._transport.ask(request)
        headers: dict[str, Any] = {"etag": reply.etag, "replayed": reply.replayed}
        return from_content(answer, {**reply.content, **headers} if isinstance(reply.content, dict) else reply.content)

    def _url(self, call: Call, names: tuple[object, ...], query: Mapping[str, object]) -> str:
        path = call.path
        for name in names:
            head, _, tail = path.partition("{")
            path = head + _quoted(name) + tail.partition("}")[2]
        query_string = to_query(query)
        return self._transport.base + path + (f"?{query_string}" if query_string else "")


def _quoted(name: object) -> str:
    text = str(name)
    if text in {"", ".", ".."}:  # the URL would be that of another route
        raise ValueError(f"“{text}” is not a name. Pass an ID, reference, code or number.")
    return quote(text, safe="")
