"""Reads untrusted tar archives (POSIX pax, GNU) with limits for headers that extend other headers.

`tarfile` reads such headers into memory regardless of their size, recursively, keeps their content, and needs
quadratic time for some of them (CVE-2024-6232). This module limits their total size and checks them before `tarfile`
parses them. Sparse files are rejected: their maps have no limit, and no tool writes them into artifacts.
"""

import re
import tarfile
from collections.abc import Iterator
from typing import IO, Any, cast

from .errors import UnsupportedArtifactError
from .limits import MAX_ENTRIES

PAX = frozenset({tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE})
EXTENDED = PAX | {tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
HEADER_BYTES = 1024 * 1024
"""Size limit of one extended header, which holds names or extended attributes of files in image layers."""
HEADERS_BYTES = 32 * 1024 * 1024
"""Size limit of all extended headers of an archive."""
MOST_NESTED = 16
"""Maximum number of extended headers before one entry."""
SPARSE = b"GNU.sparse"
_LENGTH = re.compile(rb"\d{1,8} ")
_DIGITS = re.compile(rb"\d{128}")


def entries(stream: IO[bytes], *, most: int = MAX_ENTRIES) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield each entry of an archive in order, with the archive to read its content from.

    Args:
        stream: the uncompressed bytes of the archive; read sequentially.
        most: maximum number of entries.

    Raises:
        UnsupportedArtifactError: its headers exceed a limit, or it has too many entries.
        tarfile.TarError: the archive is damaged.
    """
    headers = _Headers()

    class Header(tarfile.TarInfo):
        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> tarfile.TarInfo:  # type: ignore[override] # Self
            return headers.checked(super().frombuf(buf, encoding, errors))

    content = cast("IO[bytes]", _Forwards(stream, headers))
    with tarfile.TarFile(fileobj=content, tarinfo=Header) as archive:
        count = 0
        while (member := archive.next()) is not None:
            cast("Any", archive).members.clear()  # otherwise all members stay in memory
            count += 1
            if count > most:
                raise UnsupportedArtifactError(f"the archive has more than {most} entries, which is not allowed")
            yield archive, member


class _Headers:
    """Checks the extended headers of one archive."""

    def __init__(self) -> None:
        self._left = HEADERS_BYTES
        self._nested = 0
        self._awaited: tarfile.TarInfo | None = None

    def checked(self, header: tarfile.TarInfo) -> tarfile.TarInfo:
        """Count a header, and expect its content next if it is an extended one. Raises UnsupportedArtifactError."""
        if header.size < 0:
            raise _refused("an entry of negative size")
        if header.type == tarfile.GNUTYPE_SPARSE:
            raise _refused("a sparse file")
        self._nested = self._nested + 1 if header.type in EXTENDED else 0
        if self._nested:
            self._left -= header.size
            if header.size > HEADER_BYTES or self._left < 0 or self._nested > MOST_NESTED:
                raise _refused(
                    f"headers of more than {HEADER_BYTES} bytes, or {HEADERS_BYTES} bytes in total, or too many headers"
                )
            self._awaited = header
        return header

    def check_content(self, content: bytes) -> None:
        """Check bytes that were read if they are the content of an extended header. Raises UnsupportedArtifactError."""
        header, self._awaited = self._awaited, None
        if header is not None and len(content) < header.size:
            raise tarfile.ReadError("unexpected end of data")
        if header is not None and header.type in PAX:
            _check_records(content[: header.size])


def _check_records(content: bytes) -> None:
    """Check pax records: `<length> <keyword>=<value>`, each with a newline (POSIX.1-2001, pax Extended Header)."""
    start = 0
    while start < len(content):
        length = _LENGTH.match(content, start)
        end = start + int(length[0]) if length else 0
        if length is None or not length.end() < end <= len(content) or content[end - 1 : end] != b"\n":
            raise _refused("an unreadable pax header")
        if content.find(b"=", length.end(), end) < 0 or content.startswith(SPARSE, length.end()):
            raise _refused("an unreadable pax header, or a sparse file")
        start = end
    if _DIGITS.search(content):
        raise _refused("a pax header with an oversized number")


class _Forwards:
    """The file interface that `tarfile` needs; sequential, as `tarfile` reads entries in order."""

    def __init__(self, stream: IO[bytes], headers: _Headers) -> None:
        self._stream = stream
        self._headers = headers
        self._at = 0

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._at += len(data)
        self._headers.check_content(data)
        return data

    def tell(self) -> int:
        return self._at

    def seek(self, position: int) -> None:
        if position < self._at:
            raise tarfile.StreamError("the entries of an archive must be read in order")
        while self._at < position:
            skipped = self._stream.read(min(position - self._at, HEADER_BYTES))
            if not skipped:
                raise tarfile.ReadError("unexpected end of data")
            self._at += len(skipped)


def _refused(content: str) -> UnsupportedArtifactError:
    return UnsupportedArtifactError(f"the archive has {content}, which is not allowed")
