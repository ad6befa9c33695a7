"""Reads the body of an HTTP request, whatever its content coding, up to the server's limit."""

import asyncio
from typing import Final

from aiohttp import web

from .decoding import check_length, content_coding, decoded
from .errors import InvalidRequestError, TooLargeError

MOST_BYTES: Final = web.AppKey("most_bytes", int)
"""Where an application keeps its limit, in bytes: of a body as it is sent, and of what it unpacks to."""


async def read_body(request: web.Request) -> bytes:
    """The plain body. The server leaves unpacking to this function, which never unpacks more than the limit.

    Raises:
        ApiError: the body is too large, compressed in an unknown way, or not what its headers say.
    """
    limit = request.app[MOST_BYTES]
    coding = content_coding(request.headers.getall("Content-Encoding", ()))
    check_length(request.content_length, limit)
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise TooLargeError(f"the body has more than {limit} bytes") from error
    except (web.RequestPayloadError, ConnectionError) as error:
        raise InvalidRequestError("the body cannot be read: it ends too early, or is not valid HTTP") from error
    return body if coding is None else await asyncio.to_thread(decoded, body, coding, limit)
