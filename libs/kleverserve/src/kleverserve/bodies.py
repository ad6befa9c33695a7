"""Reads the body of an HTTP request with any content coding, up to the server's limit."""

import asyncio
from typing import Final

from aiohttp import web

from .decoding import check_length, content_coding, decoded
from .errors import InvalidRequestError, TooLargeError

MOST_BYTES: Final = web.AppKey("most_bytes", int)
"""Key of the application's limit in bytes, for a body before and after decompression."""


async def read_body(request: web.Request) -> bytes:
    """Return the decompressed body. The server leaves decompression to this function, which respects the limit.

    Raises:
        ApiError: the body is too large, has an unknown compression, or does not match its headers.
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
