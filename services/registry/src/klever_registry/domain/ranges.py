"""Byte ranges: of chunks that come (distribution-spec Content-Range) and of blobs that go (RFC 9110 Range)."""

import re
from dataclasses import dataclass

from klever_registry.errors import RangeNotSatisfiableError, SizeInvalidError, UploadInvalidError

_CONTENT_RANGE = re.compile(r"(?:bytes[ =])?(\d{1,18})-(\d{1,18})(?:/(?:\d+|\*))?")
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True)
class Chunk:
    """Where a chunk of an upload belongs."""

    start: int
    """Offset of its first byte."""
    size: int
    """Bytes."""


def parse_chunk(content_range: str | None, content_length: int | None) -> Chunk | None:
    """Read the Content-Range of a chunk, `<first>-<last>`; None where the client did not say.

    Raises:
        UploadInvalidError: not of this form.
        SizeInvalidError: Content-Length says otherwise.
    """
    if content_range is None:
        return None
    match = _CONTENT_RANGE.fullmatch(content_range.strip())
    if match is None or int(match[2]) < int(match[1]):
        raise UploadInvalidError(f"Content-Range {content_range!r} is not <first byte>-<last byte>")
    chunk = Chunk(int(match[1]), int(match[2]) - int(match[1]) + 1)
    if content_length is not None and content_length != chunk.size:
        raise SizeInvalidError(f"Content-Range {content_range} is {chunk.size} bytes, Content-Length {content_length}")
    return chunk


def upload_range(offset: int) -> str:
    """The Range header of an upload that holds so many bytes."""
    return f"0-{max(offset - 1, 0)}"


def parse_range(header: str | None, size: int) -> range | None:
    """Which bytes of a blob to send; None means all of it.

    One range only: several, or another unit, are answered with the whole, as RFC 9110 allows.

    Raises:
        RangeNotSatisfiableError: the range begins after the end.
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
