"""aiohttp servers that behave alike for all clients: large headers, errors in JSON, no input in logs.

By default, aiohttp rejects headers over 8 KiB, responds to malformed requests in plain text, and includes the start of
an oversized header, possibly a token, in this response and in its log.
"""

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, cast

import orjson
from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage, ContentEncodingError, LineTooLong
from typing_extensions import override

HEADER_BYTES = 64 * 1024
"""Maximum size of the headers of a request: 60 KiB from a client, plus those that the ingress adds."""
HEADERS = 1100
"""Maximum number of headers of a request: 1,000 from a client, plus those that the ingress adds."""
SERVER_OPTIONS = frozenset({"request_factory", "handler_cancellation"})
"""Options of the server that are not options of connections."""
KEPT = frozenset({"Allow", "Retry-After"})
"""Headers that an error response keeps in any form."""
FRAMING_BYTES = 16 * 1024
"""Maximum size of the request line and of all separators between headers."""
LINGER_SECONDS = 1.0
TOO_LARGE = f"the request's headers have more than {HEADER_BYTES // 1024} KiB, or are more than {HEADERS}"

Refusal = Callable[[int, str], web.Response]
"""Builds a response from a status and a sentence."""
_Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

log = logging.getLogger(__name__)


def json_refusal(status: int, message: str) -> web.Response:
    """Return a response with `{"error": message}`."""
    return web.Response(body=orjson.dumps({"error": message}), status=status, content_type="application/json")


class Runner(web.AppRunner):
    """Runs an application with the rules of this module.

    Args:
        application: the application.
        refusal: builds the response to errors that occur before any handler.
        options: of `aiohttp.web.Server`.
    """

    def __init__(self, application: web.Application, *, refusal: Refusal = json_refusal, **options: Any) -> None:
        limits = {"max_line_size": HEADER_BYTES, "max_field_size": HEADER_BYTES, "max_headers": HEADERS}
        self._options = {"access_log": None, **limits, **options}
        self._refusal = refusal
        super().__init__(application, **self._options)

    @override
    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        options = {name: value for name, value in self._options.items() if name != "shutdown_timeout"}
        handler = _guarded(made.request_handler, self._refusal)
        return _Server(handler, self._refusal, request_factory=made.request_factory, **options)


class _Server(web.Server):
    """Creates connections of this module's class.

    aiohttp offers no other way to choose the response to malformed requests.
    """

    def __init__(self, handler: Any, refusal: Refusal, **options: Any) -> None:
        super().__init__(handler, **options)
        self._options = options
        self._refusal = refusal

    @override
    def __call__(self) -> web.RequestHandler:
        options = {name: value for name, value in self._options.items() if name not in SERVER_OPTIONS}
        return _Connection(self, self._refusal, loop=self._loop, **options)


class _Connection(web.RequestHandler):
    """One connection."""

    __slots__ = ("_head", "_is_refused", "_refusal")

    def __init__(self, server: web.Server, refusal: Refusal, **options: Any) -> None:
        super().__init__(server, **options)
        self._refusal = refusal
        self._head = 0
        self._is_refused = False

    @override
    def data_received(self, data: bytes) -> None:
        """Limit the total size of headers while they arrive. aiohttp limits only their number and the size of each."""
        if self._is_refused:
            return
        waits, known = self._waiter is not None and not self._waiter.done(), self._request_count
        super().data_received(data)
        self._head = self._head + len(data) if waits and self._request_count == known else 0
        if self._head > HEADER_BYTES + FRAMING_BYTES:
            self._refuse_head()

    def _refuse_head(self) -> None:
        """Respond without a request.

        The connection closes later, since the response is lost if the client is still sending.
        """
        self._is_refused = True
        refused = self._refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, TOO_LARGE)
        body = cast("bytes", refused.body)
        head = f"HTTP/1.1 {refused.status} {refused.reason}\r\nContent-Type: {refused.content_type}\r\n"
        if self.transport is not None:
            self.transport.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        self._loop.call_later(LINGER_SECONDS, self.force_close)

    @override
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("the response has already started")
        status, message = _error_message(status, exc)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log_exception("a request failed", exc_info=exc)
        response = self._refusal(status, message)
        response.force_close()
        return response

    @override
    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log without the message, which may contain data of the client."""
        error = kw.get("exc_info")
        log.error("%s: %s", args[0] if args else "a connection failed", type(error).__name__)


def _guarded(handler: _Handler, refusal: Refusal) -> _Handler:
    """Reject headers that are too large in total, and give errors raised outside of handlers the usual form."""

    async def guarded(request: web.BaseRequest) -> web.StreamResponse:
        if sum(len(name) + len(value) for name, value in request.raw_headers) > HEADER_BYTES:
            response = refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, TOO_LARGE)
            response.force_close()
            return response
        try:
            return await handler(request)
        except web.HTTPClientError as error:
            if error.content_type != "text/plain":  # the application has chosen its own form
                raise
            response = refusal(error.status, error.reason)
            response.headers.extend((name, value) for name, value in error.headers.items() if name in KEPT)
            return response

    return guarded


def _error_message(status: int, error: BaseException | None) -> tuple[int, str]:
    """Return status and message for a request that aiohttp cannot handle. Its own message would repeat input."""
    if isinstance(error, LineTooLong) or (isinstance(error, BadHttpMessage) and error.message.startswith("Too many")):
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, TOO_LARGE
    if isinstance(error, ContentEncodingError):
        return HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the content encoding is none of gzip and deflate"
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return status, "the request is not valid HTTP"
    return status, "the server failed"
