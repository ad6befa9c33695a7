"""Compressed bodies, and the headers that describe a body."""

import gzip
import zlib

import pytest

from kleverserve.decoding import MOST_MEMBERS, check_content_type, check_length, content_coding, decoded
from kleverserve.errors import InvalidRequestError, TooLargeError, UnsupportedCodingError, UnsupportedContentError

TEXT = b'{"inputs": []}' * 5000
LIMIT = 100_000


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (None, TEXT),
        ("gzip", gzip.compress(TEXT)),
        ("gzip", gzip.compress(TEXT, 0)),  # does not shrink: several slices
        ("gzip", gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:])),
        ("gzip", b"".join(gzip.compress(bytes([byte])) for byte in TEXT[:5000]) + gzip.compress(TEXT[5000:])),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", raw_deflate(TEXT)),
    ],
)
def test_a_body_is_decompressed(coding: str | None, body: bytes) -> None:
    assert decoded(body, coding, len(TEXT) * 2) == TEXT


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1])
def test_the_limit_is_exact(coding: str, size: int) -> None:
    pack = gzip.compress if coding == "gzip" else zlib.compress
    body = pack(b" " * size)
    if size <= LIMIT:
        assert len(decoded(body, coding, LIMIT)) == size
        return
    with pytest.raises(TooLargeError, match=str(LIMIT)):
        decoded(body, coding, LIMIT)


def test_members_of_a_gzip_body_are_limited_together() -> None:
    with pytest.raises(TooLargeError):
        decoded(gzip.compress(b" " * LIMIT) * 2, "gzip", LIMIT)
    with pytest.raises(InvalidRequestError):
        decoded(gzip.compress(b"") * (MOST_MEMBERS + 2), "gzip", 10 * LIMIT)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", b""),
        ("gzip", b"no gzip"),
        ("gzip", gzip.compress(TEXT)[:-9]),
        ("gzip", gzip.compress(TEXT) + b"more"),
        ("gzip", zlib.compress(TEXT)),
        ("deflate", zlib.compress(TEXT)[:-1]),
        ("deflate", zlib.compress(TEXT) + b"more"),
        ("deflate", b"\xff\xff"),
    ],
)
def test_a_body_that_does_not_match_its_encoding_is_refused(coding: str, body: bytes) -> None:
    with pytest.raises(InvalidRequestError, match=f"it is not valid {coding}"):
        decoded(body, coding, LIMIT)


def test_a_body_over_the_limit_is_refused_before_it_is_decompressed() -> None:
    with pytest.raises(TooLargeError, match="11 bytes, but at most 10"):
        decoded(b" " * 11, "gzip", 10)
    check_length(10, 10)
    check_length(None, 10)


@pytest.mark.parametrize(
    ("values", "coding"),
    [([], None), ([""], None), (["identity"], None), (["GZIP"], "gzip"), (["identity", "x-gzip"], "gzip")],
)
def test_codings_are_parsed_as_in_rfc_9110(values: list[str], coding: str | None) -> None:
    assert content_coding(values) == coding


@pytest.mark.parametrize("values", [["br"], ["gzip, gzip"], ["gzip", "deflate"], ["zstd"]])
def test_other_codings_are_refused_with_the_supported_ones(values: list[str]) -> None:
    with pytest.raises(UnsupportedCodingError, match="must be one of gzip, deflate") as caught:
        content_coding(values)
    assert caught.value.headers == {"Accept-Encoding": "gzip, deflate"}


@pytest.mark.parametrize("kind", [None, "", "APPLICATION/JSON; charset=utf-8", "text/plain", "application/x+json"])
def test_types_compatible_with_json_are_accepted(kind: str | None) -> None:
    check_content_type(kind)


@pytest.mark.parametrize("kind", ["text/csv", "image/png", "multipart/form-data; boundary=x"])
def test_types_incompatible_with_json_are_refused(kind: str) -> None:
    with pytest.raises(UnsupportedContentError, match=kind.partition(";")[0]):
        check_content_type(kind)
