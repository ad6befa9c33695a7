"""Content-Range of chunks and Range of reads."""

import pytest

from klever_registry.domain.ranges import Chunk, parse_chunk, parse_range, upload_range
from klever_registry.errors import RangeNotSatisfiableError, SizeInvalidError, UploadInvalidError


@pytest.mark.parametrize("header", ["10-19", "bytes 10-19", "bytes=10-19", "bytes 10-19/100", "10-19/*"])
def test_a_chunk_declares_its_range(header: str) -> None:
    assert parse_chunk(header, 10) == Chunk(start=10, size=10)


def test_the_range_of_a_chunk_is_optional() -> None:
    assert parse_chunk(None, 10) is None


@pytest.mark.parametrize("header", ["", "10", "a-b", "20-10", "-5", "10-"])
def test_an_invalid_content_range_is_refused(header: str) -> None:
    with pytest.raises(UploadInvalidError, match="first byte"):
        parse_chunk(header, None)


def test_a_content_range_must_agree_with_the_content_length() -> None:
    with pytest.raises(SizeInvalidError, match="10 bytes"):
        parse_chunk("0-9", 11)


@pytest.mark.parametrize(("offset", "header"), [(0, "0-0"), (1, "0-0"), (10, "0-9")])
def test_an_upload_reports_its_last_byte(offset: int, header: str) -> None:
    assert upload_range(offset) == header


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", range(1)),
        ("bytes=2-5", range(2, 6)),
        ("bytes=2-", range(2, 10)),
        ("bytes=-3", range(7, 10)),
        ("bytes=-30", range(10)),
        ("bytes=5-99", range(5, 10)),
    ],
)
def test_a_range_of_a_blob_can_be_requested(header: str, expected: range) -> None:
    assert parse_range(header, 10) == expected


@pytest.mark.parametrize("header", [None, "", "bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,3-4", "lines=0-1"])
def test_an_unsupported_range_gives_the_whole_blob(header: str | None) -> None:
    assert parse_range(header, 10) is None


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=11-12", 10), ("bytes=0-", 0), ("bytes=-0", 10)]
)
def test_a_range_outside_the_blob_is_refused_with_its_size(header: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiableError) as caught:
        parse_range(header, size)
    assert caught.value.headers == {"Content-Range": f"bytes */{size}"}
