"""Servers on aiohttp that behave alike towards every client: large headers pass, errors are JSON, logs repeat nothing.

As it comes, aiohttp refuses a header of 8 KiB, answers what it cannot read in plain text, and writes the beginning of
a header that is too long, which may be a token, both into that answer and into its log.
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
"""Names and values of all headers of one request; 60 KiB from a client, and what the ingress adds."""
HEADERS = 1100
"""Headers of one request; 1,000 from a client, and what the ingress adds."""
OF_SERVERS = frozenset({"request_factory", "handler_cancellation"})
"""Options that are not for connections."""
KEPT = frozenset({"Allow", "Retry-After"})
"""Headers of an error that go with it whatever its form."""
FRAMING_BYTES = 16 * 1024
"""Besides names and values: the request line, and what stands between headers."""
LINGER_SECONDS = 1.0
TOO_LARGE = f"the request's headers have more than {HEADER_BYTES // 1024} KiB, or are more than {HEADERS}"

Refusal = Callable[[int, str], web.Response]
"""An answer with this status, made of a sentence."""
_Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

log = logging.getLogger(__name__)


def json_refusal(status: int, message: str) -> web.Response:
    """`{"error": message}`."""
    return web.Response(body=orjson.dumps({"error": message}), status=status, content_type="application/json")


class Runner(web.AppRunner):
    """Runs an application as this module says.

    Args:
        application: what answers.
        refusal: the form of errors that come before any handler.
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
    """Makes connections of our kind; aiohttp has no other way to choose what is answered to what it cannot read."""

    def __init__(self, handler: Any, refusal: Refusal, **options: Any) -> None:
        super().__init__(handler, **options)
        self._options = options
        self._refusal = refusal

    @override
    def __call__(self) -> web.RequestHandler:
        options = {name: value for name, value in self._options.items() if name not in OF_SERVERS}
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
        """Bounds all headers together while they come; aiohttp bounds each of them, and their number."""
        if self._is_refused:
            return
        waits, known = self._waiter is not None and not self._waiter.done(), self._request_count
        super().data_received(data)
        self._head = self._head + len(data) if waits and self._request_count == known else 0
        if self._head > HEADER_BYTES + FRAMING_BYTES:
            self._refuse_head()

    def _refuse_head(self) -> None:
        """Answer without a request; close a little later, since the answer is lost where the client still sends."""
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
            raise ConnectionError("an answer was begun already")
        status, message = _explained(status, exc)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log_exception("a request failed", exc_info=exc)
        response = self._refusal(status, message)
        response.force_close()
        return response

    @override
    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Without the message, which may hold what the client has sent."""
        error = kw.get("exc_info")
        log.error("%s: %s", args[0] if args else "a connection failed", type(error).__name__)


def _guarded(handler: _Handler, refusal: Refusal) -> _Handler:
    """Refuses headers that are too many together, and gives errors raised around the application the usual form."""

    async def guarded(request: web.BaseRequest) -> web.StreamResponse:
        if sum(len(name) + len(value) for name, value in request.raw_headers) > HEADER_BYTES:
            response = refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, TOO_LARGE)
            response.force_close()
            return response
        try:
            return await handler(request)
        except web.HTTPClientError as error:
            if error.content_type != "text/plain":  # the application has chosen a form of its own
                raise
            response = refusal(error.status, error.reason)
            response.headers.extend((name, value) for name, value in error.headers.items() if name in KEPT)
            return response

    return guarded


def _explained(status: int, error: BaseException | None) -> tuple[int, str]:
    """Status and sentence for what aiohttp could not handle; never with its own message, which repeats the bytes."""
    if isinstance(error, LineTooLong) or (isinstance(error, BadHttpMessage) and error.message.startswith("Too many")):
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, TOO_LARGE
    if isinstance(error, ContentEncodingError):
        return HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the content encoding is none of gzip and deflate"
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return status, "the request is not valid HTTP"
    return status, "the server failed"
