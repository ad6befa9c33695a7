"""Checks the headers of a body, and decompresses it; pure.

RFC 9110 defines content codings in section 8.4, and status 415 with `Accept-Encoding` in section 15.5.16.
"""

import zlib
from collections.abc import Iterable
from typing import Final

from .errors import InvalidRequestError, TooLargeError, UnsupportedCodingError, UnsupportedContentError

CODINGS: Final = ("gzip", "deflate")
ALIASES = {"x-gzip": "gzip"}
IDENTITY = "identity"
SLICE = 16 * 1024
MOST_MEMBERS = 10_000
"""Maximum number of members of a gzip body; each costs time, even if it is small."""
GZIP, ZLIB, RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS

JSON = "application/json"
OCTETS = "application/octet-stream"
TAKEN_AS_JSON = frozenset({JSON, "text/json", "text/plain", OCTETS, "application/x-www-form-urlencoded", "*/*"})
"""Types without information, and types that clients send by default, such as the form type of `curl -d`."""


def check_content_type(given: str | None) -> None:
    """Raise UnsupportedContentError if the type contradicts JSON."""
    kind = (given or "").partition(";")[0].strip().lower()
    if kind and kind not in TAKEN_AS_JSON and not kind.endswith("+json"):
        raise UnsupportedContentError(
            f"the content type is {kind:.80}, but must be {JSON}, or {OCTETS} where raw tensors follow the JSON"
        )


def content_coding(headers: Iterable[str]) -> str | None:
    """Return the coding in the values of `Content-Encoding`; None for a plain body.

    Raises:
        UnsupportedCodingError: it is neither gzip nor deflate, or there are several.
    """
    named = [name.strip().lower() for value in headers for name in value.split(",")]
    codings = [ALIASES.get(name, name) for name in named if name not in ("", IDENTITY)]
    if not codings:
        return None
    if len(codings) > 1 or codings[0] not in CODINGS:
        raise UnsupportedCodingError(
            f"the content encoding is {', '.join(codings):.80}, but must be one of {', '.join(CODINGS)}, or none"
        )
    return codings[0]


def check_length(length: int | None, limit: int) -> None:
    """Raise TooLargeError if the declared length exceeds the limit, in bytes."""
    if length is not None and length > limit:
        raise TooLargeError(f"the body has {length} bytes, but at most {limit} are accepted")


def decoded(body: bytes, coding: str | None, limit: int) -> bytes:
    """Return the decompressed body. At most `limit` bytes are decompressed.

    Raises:
        TooLargeError: the body is larger.
        InvalidRequestError: the body is not valid in its coding, or incomplete.
    """
    check_length(len(body), limit)
    if coding is None:
        return body
    unpacking = _Unpacking(coding, body[:1], limit)
    for start in range(0, len(body), SLICE):
        unpacking.feed(body[start : start + SLICE])
    return unpacking.finish()


class _Unpacking:
    """A body in slices, so that the rest after a member of a gzip body is not copied again and again."""

    def __init__(self, coding: str, first: bytes, limit: int) -> None:
        self._coding = coding
        self._limit = limit
        self._plain = bytearray()
        self._members = 0
        # Some clients send deflate without the zlib frame that RFC 9110 requires.
        has_frame = bool(first) and first[0] & 0x0F == zlib.DEFLATED
        self._bits = GZIP if coding == "gzip" else ZLIB if has_frame else RAW
        self._part = zlib.decompressobj(self._bits)

    def feed(self, data: bytes) -> None:
        while data:
            if self._part.eof:
                self._begin_member()
            try:
                self._plain += self._part.decompress(data, self._limit + 1 - len(self._plain))
            except zlib.error as error:
                raise self._invalid() from error
            if len(self._plain) > self._limit:
                raise TooLargeError(f"the body has more than {self._limit} bytes when decompressed")
            data = self._part.unconsumed_tail or self._part.unused_data

    def finish(self) -> bytes:
        if not self._part.eof:
            raise self._invalid()
        return bytes(self._plain)

    def _begin_member(self) -> None:
        """Start the next member; only gzip has several (RFC 1952, section 2.2)."""
        self._members += 1
        if self._coding != "gzip" or self._members > MOST_MEMBERS:
            raise self._invalid()
        self._part = zlib.decompressobj(self._bits)

    def _invalid(self) -> InvalidRequestError:
        return InvalidRequestError(f"the body cannot be read: it is not valid {self._coding}")
