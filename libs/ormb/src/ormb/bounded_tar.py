"""Reading tar archives of strangers (POSIX pax, GNU), whose headers may extend others without end.

`tarfile` reads such a header into memory whatever its size, calls itself for each, keeps what they say, and takes
quadratic time for some (CVE-2024-6232). Here all of them together have a budget, and are checked before `tarfile`
parses them. Sparse files are refused: their maps have no limit, and no tool writes them into artifacts.
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
"""Of one header that extends another: names, and the extended attributes of files in image layers."""
HEADERS_BYTES = 32 * 1024 * 1024
"""Of all of them in an archive."""
MOST_NESTED = 16
"""Of them before one entry."""
SPARSE = b"GNU.sparse"
_LENGTH = re.compile(rb"\d{1,8} ")
_DIGITS = re.compile(rb"\d{128}")


def entries(stream: IO[bytes]) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Every entry of an archive, once and in order, with the archive that its content is to be read from by then.

    Args:
        stream: the archive's bytes, uncompressed; read forwards only.

    Raises:
        UnsupportedArtifactError: its headers pass a limit, or it has too many entries.
        tarfile.TarError: it is damaged.
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
            cast("Any", archive).members.clear()  # or all that was read would stay in memory
            count += 1
            if count > MAX_ENTRIES:
                raise UnsupportedArtifactError(f"the archive has more than {MAX_ENTRIES} entries: it is refused")
            yield archive, member


class _Headers:
    """The headers of one archive that extend others."""

    def __init__(self) -> None:
        self._left = HEADERS_BYTES
        self._nested = 0
        self._awaited: tarfile.TarInfo | None = None

    def checked(self, header: tarfile.TarInfo) -> tarfile.TarInfo:
        """Count a header, and remember it where its content comes next. Raises UnsupportedArtifactError."""
        if header.size < 0:
            raise _refused("an entry of a negative size")
        if header.type == tarfile.GNUTYPE_SPARSE:
            raise _refused("a sparse file")
        self._nested = self._nested + 1 if header.type in EXTENDED else 0
        if self._nested:
            self._left -= header.size
            if header.size > HEADER_BYTES or self._left < 0 or self._nested > MOST_NESTED:
                raise _refused(f"headers of more than {HEADER_BYTES} bytes, {HEADERS_BYTES} in all, or too many")
            self._awaited = header
        return header

    def check_content(self, content: bytes) -> None:
        """Look at what was read, where it is the content of a header. Raises UnsupportedArtifactError."""
        header, self._awaited = self._awaited, None
        if header is not None and len(content) < header.size:
            raise tarfile.ReadError("unexpected end of data")
        if header is not None and header.type in PAX:
            _check_records(content[: header.size])


def _check_records(content: bytes) -> None:
    """Records are `<length> <keyword>=<value>`, each with a line's end (POSIX.1-2001, pax Extended Header)."""
    start = 0
    while start < len(content):
        length = _LENGTH.match(content, start)
        end = start + int(length[0]) if length else 0
        if length is None or not length.end() < end <= len(content) or content[end - 1 : end] != b"\n":
            raise _refused("a pax header that cannot be read")
        if content.find(b"=", length.end(), end) < 0 or content.startswith(SPARSE, length.end()):
            raise _refused("a pax header that cannot be read, or a sparse file")
        start = end
    if _DIGITS.search(content):
        raise _refused("a pax header with a number that nothing needs")


class _Forwards:
    """What `tarfile` needs of a file; it goes forwards only, as `tarfile` does where entries are read in order."""

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
            raise tarfile.StreamError("the entries of an archive are read in order")
        while self._at < position:
            skipped = self._stream.read(min(position - self._at, HEADER_BYTES))
            if not skipped:
                raise tarfile.ReadError("unexpected end of data")
            self._at += len(skipped)


def _refused(content: str) -> UnsupportedArtifactError:
    return UnsupportedArtifactError(f"the archive has {content}: it is refused")
