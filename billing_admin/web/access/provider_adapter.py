"""The adapter by which the OAuth library sends requests to the identity provider."""

from io import BytesIO
from typing import TYPE_CHECKING, Any

from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

if TYPE_CHECKING:
    from billing_admin.web.access.identity_provider import Exchange


class ProviderAdapter(BaseAdapter):
    """Sends requests by an exchange, which knows the limits of time and size."""

    def __init__(self, exchange: "Exchange") -> None:
        super().__init__()
        self._exchange = exchange

    def send(self, request: PreparedRequest, *_options: Any, **_named_options: Any) -> Response:
        """Return the response to a request."""
        body = request.body.encode() if isinstance(request.body, str) else request.body
        if not isinstance(body, bytes | None):
            raise TypeError("the body of a request to the provider is a form")
        headers = {str(name): str(value) for name, value in request.headers.items()}
        answer = self._exchange(request.method or "GET", request.url or "", headers, body)
        response = Response()
        response.status_code = answer.status
        response.headers = CaseInsensitiveDict(answer.headers)
        response.raw = BytesIO(answer.body)
        response.url, response.request = request.url or "", request
        return response

    def close(self) -> None:
        """Do nothing: each request has a connection of its own."""
