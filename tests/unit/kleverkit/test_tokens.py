"""Bearer tokens: read from a file, and checked in a header."""

from pathlib import Path

import pytest

from kleverkit.errors import PermanentError
from kleverkit.tokens import Token

SECRET = "x" * 43


@pytest.mark.parametrize("header", [f"Bearer {SECRET}", f"bearer {SECRET}", f"BEARER  {SECRET} "])
def test_the_token_is_read_from_a_header(header: str) -> None:
    assert Token(SECRET).is_in(header)


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", SECRET, f"Basic {SECRET}", f"Bearer {SECRET}x", f"Bearer {SECRET[1:]}", "Bearer \udcff"],
)
def test_any_other_header_does_not_match(header: str) -> None:
    assert not Token(SECRET).is_in(header)


def test_a_file_may_end_with_a_newline(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{SECRET}\n")
    assert Token.read(tmp_path / "token").is_in(f"Bearer {SECRET}")


@pytest.mark.parametrize("content", [b"", b"\n", b"short", b"a b" * 20, b"\xff" * 40, b"\x00" * 40])
def test_a_file_without_a_token_ends_the_service_with_a_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(PermanentError, match=r"holds no token: write at least 32|cannot be read"):
        Token.read(tmp_path / "token")


def test_a_missing_token_file_ends_the_service_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="cannot be read"):
        Token.read(tmp_path / "token")
