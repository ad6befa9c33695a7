"""Byte ranges of uploaded chunks (distribution-spec, Content-Range) and of downloaded blobs (RFC 9110, Range)."""

import re
from dataclasses import dataclass

from klever_registry.errors import RangeNotSatisfiableError, SizeInvalidError, UploadInvalidError

_CONTENT_RANGE = re.compile(r"(?:bytes[ =])?(\d{1,18})-(\d{1,18})(?:/(?:\d+|\*))?")
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True)
class Chunk:
    """The position of a chunk in an upload."""

    start: int
    """Offset of the first byte."""
    size: int
    """Bytes."""


def parse_chunk(content_range: str | None, content_length: int | None) -> Chunk | None:
    """Parse the Content-Range of a chunk, `<first>-<last>`; None if the header is absent.

    Raises:
        UploadInvalidError: the header is invalid.
        SizeInvalidError: the header contradicts Content-Length.
    """
    if content_range is None:
        return None
    match = _CONTENT_RANGE.fullmatch(content_range.strip())
    if match is None or int(match[2]) < int(match[1]):
        raise UploadInvalidError(f"Content-Range {content_range!r} is not <first byte>-<last byte>")
    chunk = Chunk(int(match[1]), int(match[2]) - int(match[1]) + 1)
    if content_length is not None and content_length != chunk.size:
        raise SizeInvalidError(
            f"Content-Range {content_range} is {chunk.size} bytes, but Content-Length is {content_length}"
        )
    return chunk


def upload_range(offset: int) -> str:
    """Return the Range header of an upload with this many bytes."""
    return f"0-{max(offset - 1, 0)}"


def parse_range(header: str | None, size: int) -> range | None:
    """Return the range of bytes of a blob to send; None for the whole blob.

    Supports a single range of bytes. For several ranges, or another unit, the whole blob is sent, as RFC 9110 allows.

    Raises:
        RangeNotSatisfiableError: the range starts after the end of the blob.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        start, stop = max(size - int(match[2]), 0), size
    else:
        start, stop = int(match[1]), min(int(match[2]) + 1 if match[2] else size, size)
        if match[2] and int(match[2]) < start:
            return None
    if start >= stop:
        raise RangeNotSatisfiableError(
            f"the blob has {size} bytes, so {header} is outside of it", headers={"Content-Range": f"bytes */{size}"}
        )
    return range(start, stop)
