"""Middleware for MLServer's REST API, so that it accepts and rejects requests like the built-in server.

MLServer parses JSON only with its own content type. It treats any other body as an input of the wrong type, which it
includes in its response and its log. It decompresses gzip without a limit, and does not support deflate.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias

import orjson

from kleverserve.access import HEADER, Access
from kleverserve.client_paths import CLOSED, is_client_path
from kleverserve.decoding import JSON, check_content_type, check_length, content_coding, decoded
from kleverserve.errors import (
    ApiError,
    ExecutionError,
    HeadersTooLargeError,
    InvalidRequestError,
    NotFoundError,
    TooLargeError,
    UnsupportedContentError,
)
from kleverserve.http_server import HEADER_BYTES, TOO_LARGE

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]
Header: TypeAlias = tuple[bytes, bytes]

RAW_TENSORS = b"inference-header-content-length"
REPLACED = frozenset({b"content-encoding", b"content-length", b"content-type", b"transfer-encoding"})

log = logging.getLogger(__name__)


class RequestMiddleware:
    """ASGI middleware: passes on uncompressed JSON below a limit, and responds to every failure with JSON.

    Args:
        app: the next application.
        limit: maximum size of a body in bytes, both compressed and decompressed.
        access: authentication of requests.
    """

    def __init__(self, app: Application, limit: int, access: Access) -> None:
        self._app = app
        self._limit = limit
        self._access = access

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sending = _Sending(send)
        try:
            self._check_access(scope)
            _check(scope["headers"])
            if scope["method"] == "POST":
                body = await self._plain(scope["headers"], receive)
                scope, receive = {**scope, "headers": _with_length(scope["headers"], len(body))}, _Replay(body, receive)
            await self._app(scope, receive, sending)
        except ApiError as error:
            await sending.refuse(error)
        except Exception as error:
            log.exception("%s %s failed", scope["method"], scope["path"])
            await sending.refuse(ExecutionError(f"the server failed: {type(error).__name__}"))

    def _check_access(self, scope: Message) -> None:
        """Check the key of a request. Raises ApiError."""
        if not is_client_path(scope["path"]):
            raise NotFoundError(CLOSED)
        key = next(iter(_values(scope["headers"], HEADER.encode())), None)
        self._access.check_request(scope["path"], key)

    async def _plain(self, headers: Iterable[Header], receive: Receive) -> bytes:
        """Return the decompressed body. Raises ApiError."""
        coding = content_coding(_values(headers, b"content-encoding"))
        check_content_type(next(iter(_values(headers, b"content-type")), None))
        if _values(headers, RAW_TENSORS):
            raise UnsupportedContentError(
                "MLServer accepts no raw tensors over HTTP: use JSON, gRPC or the runtime kleverserve"
            )
        check_length(next((int(value) for value in _values(headers, b"content-length")), None), self._limit)
        body = await self._read(receive)
        plain = body if coding is None else await asyncio.to_thread(decoded, body, coding, self._limit)
        if plain.lstrip()[:1] != b"{":
            raise InvalidRequestError("the body is not valid JSON: it must be an object")
        return plain

    async def _read(self, receive: Receive) -> bytes:
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise InvalidRequestError("the body cannot be read: it ends too early")
            body += message.get("body", b"")
            if len(body) > self._limit:
                raise TooLargeError(f"the body has more than {self._limit} bytes")
            more = message.get("more_body", False)
        return bytes(body)


class _Sending:
    """Sends a response, unless another one has started."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = False

    async def __call__(self, message: Message) -> None:
        self._begun = True
        await self._send(message)

    async def refuse(self, error: ApiError) -> None:
        """Send an error. The connection is not reused, since a part of the body may not have been read."""
        if self._begun:
            return
        body = error_body(str(error))
        more = [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
        headers = [*_described(len(body)), (b"connection", b"close"), *more]
        await self({"type": "http.response.start", "status": error.status, "headers": headers})
        await self({"type": "http.response.body", "body": body})


class _Replay:
    """Replays the body as one message, and then the client's further messages."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


def _check(headers: Iterable[Header]) -> None:
    """Check requests that h11 accepts although they are invalid. Raises ApiError."""
    if sum(len(name) + len(value) for name, value in headers) > HEADER_BYTES:
        raise HeadersTooLargeError(TOO_LARGE)
    if _values(headers, b"transfer-encoding") and _values(headers, b"content-length"):
        raise InvalidRequestError("the request is not valid HTTP: it declares two lengths")


def error_body(message: str) -> bytes:
    """Return the body of an error, in the form of all model servers."""
    return orjson.dumps({"error": message})


def _values(headers: Iterable[Header], wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in headers if name == wanted]


def _with_length(headers: Iterable[Header], length: int) -> list[Header]:
    return [*(header for header in headers if header[0] not in REPLACED), *_described(length)]


def _described(length: int) -> list[Header]:
    return [(b"content-type", JSON.encode()), (b"content-length", str(length).encode())]
