"""Files compressed by joblib: one stream without trailing bytes, recognised by its first bytes."""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from .errors import RefusedPickleError

CHUNK = 1024 * 1024
LZMA_MAGIC = b"\x5d\x00\x00"
LZ4_MAGIC = b"\x04\x22\x4d\x18"


def unpacked(file: BinaryIO, *, closes: bool = False) -> BinaryIO:
    """Return the content of a file, decompressed with any method of joblib; the file itself if it is not compressed.

    Args:
        file: at its start.
        closes: closing the content closes the file.

    Raises:
        RefusedPickleError: it is compressed with lz4.
    """
    start = file.read(6)
    file.seek(0)
    make = _maker(start)
    return file if make is None else cast("BinaryIO", io.BufferedReader(_Unpacking(file, make, closes=closes), CHUNK))


def is_packed(start: bytes) -> bool:
    """Return whether a file with these first bytes is compressed."""
    return start.startswith(LZ4_MAGIC) or _maker(start) is not None


def is_perhaps_packed(start: bytes) -> bool:
    """Return whether these first bytes may also be text or weights, as those of zlib and lzma."""
    return _is_zlib(start) or start.startswith(LZMA_MAGIC)


def _is_zlib(start: bytes) -> bool:
    return start[:1] == b"\x78" and start[1:2] in {b"\x01", b"\x5e", b"\x9c", b"\xda"}


def _maker(start: bytes) -> Callable[[], Any] | None:
    if start.startswith(b"\x1f\x8b"):
        return lambda: zlib.decompressobj(31)
    if _is_zlib(start):
        return zlib.decompressobj
    if start.startswith(b"BZh"):
        return bz2.BZ2Decompressor
    if start.startswith((b"\xfd7zXZ", LZMA_MAGIC)):
        return lzma.LZMADecompressor
    if start.startswith(LZ4_MAGIC):
        raise RefusedPickleError("it is compressed with lz4, which is not read: save it with zlib or uncompressed")
    return None


class _Unpacking(io.RawIOBase):
    """One compressed stream. Trailing bytes or a truncated stream are errors."""

    def __init__(self, file: BinaryIO, make: Callable[[], Any], *, closes: bool) -> None:
        self._file = file
        self._closes = closes
        self._unpacker = make()
        self._waiting = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """See `io.IOBase.close`."""
        if self._closes:
            self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        """Decompress at most as much as fits. Raises RefusedPickleError for damaged streams."""
        try:
            data = self._some(len(buffer))
        except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
            raise RefusedPickleError(f"its compression is damaged: {error}") from error
        buffer[: len(data)] = data
        return len(data)

    def _some(self, size: int) -> bytes:
        while not self._unpacker.eof:
            ended = False
            if not self._waiting and getattr(self._unpacker, "needs_input", True):
                self._waiting = self._file.read(CHUNK)
                ended = not self._waiting
            data: bytes = self._unpacker.decompress(self._waiting, size)
            self._waiting = getattr(self._unpacker, "unconsumed_tail", b"")
            if data:
                return data
            if ended and not self._unpacker.eof:
                raise RefusedPickleError("its compressed data is truncated")
        if self._unpacker.unused_data or self._file.read(1):
            raise RefusedPickleError("there are bytes after the compressed data")
        return b""
