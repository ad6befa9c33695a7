"""Forwards requests unchanged, streaming both bodies."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from kleverserve.http_server import HEADER_BYTES, HEADERS, json_refusal

from .replica_specs import Endpoint

HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
        "expect",  # this server has answered it
    }
)
"""Headers that apply to one hop only, besides those that `Connection` names (RFC 9110, section 7.6.1)."""
CLIENT_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""Headers that the HTTP client would add."""


class BodyTooLargeError(Exception):
    """The body exceeds the limit."""


class ReplicaLostError(Exception):
    """The replica exited while it processed the request."""


@dataclass
class ForwardedBody:
    """The body of a request, while it is forwarded.

    Args:
        request: the request.
        limit: the limit for the body, in bytes.
    """

    request: web.Request
    limit: int
    error: Exception | None = None
    """The error that ended the body."""
    size: int = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the chunks as they arrive. An error is stored in `error` and raised."""
        try:
            async for chunk in self.request.content.iter_any():
                self._count(chunk)
                yield chunk
        except (BodyTooLargeError, ConnectionError, web.RequestPayloadError, aiohttp.ClientError) as error:
            self.error = error
            raise

    def _count(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self.size > self.limit:
            raise BodyTooLargeError


def end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """The headers to forward to the next hop, in their order, including repeated ones."""
    multi = CIMultiDict(headers)
    named = {name.strip().lower() for value in multi.getall("Connection", ()) for name in value.split(",")}
    return CIMultiDict((name, value) for name, value in multi.items() if name.lower() not in HOP_BY_HOP | named)


def session() -> aiohttp.ClientSession:
    """A client that adds and changes nothing."""
    return aiohttp.ClientSession(
        auto_decompress=False,
        skip_auto_headers=CLIENT_HEADERS,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        max_line_size=HEADER_BYTES,
        max_field_size=HEADER_BYTES,
        max_headers=HEADERS,
    )


async def forward(
    request: web.Request, endpoint: Endpoint, client: aiohttp.ClientSession, *, limit: int
) -> web.StreamResponse:
    """Forward a request to a replica, and stream its response.

    Raises:
        aiohttp.ClientConnectorError: the replica was not reached, and no part of the request was read.
        ReplicaLostError: the replica exited before it responded.
    """
    if request.content_length is not None and request.content_length > limit:
        return _too_large(limit)
    url = URL(f"http://{endpoint.host}:{endpoint.port}{request.raw_path}", encoded=True)
    body = ForwardedBody(request, limit)
    data = body.chunks() if request.body_exists else None
    headers = end_to_end(request.headers)
    try:
        asked = client.request(request.method, url, data=data, headers=headers, allow_redirects=False)
        async with asked as answer:
            return await _stream(request, answer)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientError, BodyTooLargeError, ConnectionError) as error:
        if isinstance(body.error, BodyTooLargeError):
            return _too_large(limit)
        if body.error is not None:
            return json_refusal(400, "the body cannot be read: it ends too early")
        raise ReplicaLostError(type(error).__name__) from error


async def _stream(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=end_to_end(answer.headers))
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
    except aiohttp.ClientError as error:
        raise ConnectionResetError("the replica exited during its response") from error
    await response.write_eof()
    return response


def _too_large(limit: int) -> web.Response:
    return json_refusal(413, f"the body has more than {limit} bytes")
