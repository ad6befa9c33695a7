"""MLServer's REST server with Klever's middleware, and with errors as JSON."""

import sys
from collections.abc import Sequence
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from uvicorn.protocols.http.h11_impl import H11Protocol

from kleverserve.access import Access
from kleverserve.decoding import JSON
from kleverserve.http_server import HEADER_BYTES, LINGER_SECONDS, TOO_LARGE

from .middleware import RequestMiddleware, error_body

BAD_REQUEST, TOO_LARGE_STATUS = 400, 431


class Protocol(H11Protocol):
    """HTTP with errors in JSON."""

    _is_refused = False

    def data_received(self, data: bytes) -> None:
        """Process received data, unless the response is already an error."""
        if not self._is_refused:
            super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """Respond to malformed HTTP or oversized headers, without uvicorn's own message."""
        del msg
        status = getattr(sys.exc_info()[1], "error_status_hint", BAD_REQUEST)
        body = error_body(TOO_LARGE if status == TOO_LARGE_STATUS else "the request is not valid HTTP")
        head = f"HTTP/1.1 {status} Refused\r\ncontent-type: {JSON}\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self._is_refused = True
        self.loop.call_later(
            LINGER_SECONDS, self.transport.close
        )  # otherwise the response is lost if the client is still sending


SERVER_SETTINGS: dict[str, Any] = {
    "http": Protocol,
    "h11_max_incomplete_event_size": HEADER_BYTES,
    "server_header": False,
}
"""MLServer's `_custom_rest_server_settings`, which it passes to uvicorn."""


def prepare(app: FastAPI, *, limit: int, access: Access) -> None:
    """Add the middleware to the application before it starts."""
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _refused)
    app.add_middleware(RequestMiddleware, limit=limit, access=access)


async def _validation_error(_request: Request, error: Exception) -> Response:
    """Respond without the input, which FastAPI would repeat."""
    problems = cast("RequestValidationError", error).errors()
    sentences = [f"{_path(each['loc'])}: {each['msg']}" for each in problems[:3]]
    return _json(BAD_REQUEST, "; ".join(sentences))


async def _refused(request: Request, error: Exception) -> Response:
    refusal = cast("HTTPException", error)
    return _json(refusal.status_code, f"{request.method} {request.url.path}: {refusal.detail}")


def _path(location: Sequence[Any]) -> str:
    return ".".join(str(part) for part in location if part != "body") or "the body"


def _json(status: int, message: str) -> Response:
    return Response(error_body(message), status, media_type=JSON)
