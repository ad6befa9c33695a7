"""Reads files that may be compressed, up to a limit: a few bytes can decompress to more than any memory."""

import bz2
import gzip
import io
import lzma
import zlib
from typing import Any, BinaryIO, cast

CHUNK = 1024 * 1024


class BoundedStream:
    """A stream that never reads beyond its limit, regardless of the requested size."""

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._read = 0

    def read(self, size: int) -> bytes:
        """Return exactly this number of bytes. Raises ValueError if fewer are left, or the limit is exceeded."""
        if size < 0:
            raise ValueError("the stream asks for a negative number of bytes")
        self._count(size)
        parts, missing = [], size
        while missing > 0:
            part = self._stream.read(min(missing, CHUNK))
            if not part:
                raise ValueError(f"the stream ends {missing} bytes early")
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def readline(self) -> bytes:
        """Return one line, of limited length."""
        line = self._stream.readline(CHUNK)
        self._count(len(line))
        return line

    def readinto(self, buffer: bytearray) -> int:
        """Fill the buffer; pickle calls this for a bytearray."""
        data = self.read(len(buffer))
        buffer[:] = data
        return len(data)

    def skip(self, size: int) -> None:
        """Skip bytes, with at most one chunk of them in memory. Raises the errors of `read`."""
        if size < 0:
            raise ValueError("an array has a negative size")
        for begin in range(0, size, CHUNK):
            self.read(min(CHUNK, size - begin))

    def _count(self, size: int) -> None:
        self._read += size
        if self._read > self._limit:
            raise ValueError(f"the file decompresses to more than {self._limit} bytes")


def unpacked(file: BinaryIO) -> BinaryIO:
    """Return the decompressed stream of a file. Joblib compresses whole files; the first bytes show the method."""
    magic = file.read(6)
    file.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return cast("BinaryIO", gzip.GzipFile(fileobj=file))
    if magic.startswith(b"BZh"):
        return cast("BinaryIO", bz2.BZ2File(file))
    if magic.startswith((b"\xfd7zXZ", b"\x5d\x00\x00")):
        return cast("BinaryIO", lzma.LZMAFile(file))
    if magic[:1] == b"\x78" and magic[1:2] in {b"\x01", b"\x5e", b"\x9c", b"\xda"}:
        return cast("BinaryIO", io.BufferedReader(_Zlib(file)))
    if magic.startswith(b"\x04\x22\x4d\x18"):
        raise ValueError("it is compressed with lz4, which is not read: save it with zlib or uncompressed")
    return file


class _Zlib(io.RawIOBase):
    """A zlib stream, decompressed while it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._unpacker = zlib.decompressobj()
        self._packed = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Decompress at most as much as fits."""
        while not self._unpacker.eof:
            self._packed = self._packed or self._file.read(CHUNK)
            data = self._unpacker.decompress(self._packed, len(buffer))
            self._packed = self._unpacker.unconsumed_tail
            if data:
                buffer[: len(data)] = data
                return len(data)
            if not self._packed and not (more := self._file.read(CHUNK)):
                return 0
            self._packed = self._packed or more
        return 0
