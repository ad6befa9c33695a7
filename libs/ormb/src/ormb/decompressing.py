"""Decompresses layers with a size limit, and verifies them against the digests that the artifact declares."""

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import zstandard

from .digest import CHUNK
from .errors import DigestMismatchError, UnsupportedArtifactError
from .layouts.layer_types import Compression
from .layouts.layout import LayerFiles
from .limits import plain_limit

ZSTD_INPUT = 2048
"""Number of compressed bytes to process at a time; their decompressed content is held in memory."""


@contextmanager
def plain_bytes(source: Path, layer: LayerFiles) -> Iterator[IO[bytes]]:
    """Open the uncompressed content of a layer. If the block ends without an error, all of it has been verified.

    Raises:
        UnsupportedArtifactError: the content cannot be decompressed, or is far larger than the blob.
        DigestMismatchError: the content has none of the digests that the artifact declares.
    """
    try:
        with source.open("rb") as packed, _decompressed(packed, layer.type.compression) as stream:
            counted = _Counted(stream, layer)
            yield cast("IO[bytes]", io.BufferedReader(counted, CHUNK))
            counted.finish()
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        raise UnsupportedArtifactError(f"layer {layer.descriptor.digest} cannot be unpacked: {error}") from error


def _decompressed(packed: io.BufferedReader, compression: Compression) -> IO[bytes]:
    if compression and not packed.peek(1):
        raise EOFError("it is empty")
    match compression:
        case Compression.NONE:
            return packed
        case Compression.GZIP:
            return cast("IO[bytes]", gzip.GzipFile(fileobj=packed))
        case Compression.ZSTD:
            return cast("IO[bytes]", io.BufferedReader(_Zstandard(packed), CHUNK))


class _Zstandard(io.RawIOBase):
    """The content of all frames (RFC 8878). The stream of the library treats a truncated frame as complete."""

    def __init__(self, packed: IO[bytes]) -> None:
        super().__init__()
        self._packed = packed
        self._input = b""
        self._output = memoryview(b"")
        self._frame: zstandard.ZstdDecompressionObj | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override] # any writable buffer is one
        while not self._output:
            if not self._input and not (packed := self._packed.read(ZSTD_INPUT)):
                if self._frame is not None:
                    raise EOFError("the compressed data is truncated")
                return 0
            self._output = memoryview(self._decompress(self._input or packed))
        size = min(len(buffer), len(self._output))
        buffer[:size] = self._output[:size]
        self._output = self._output[size:]
        return size

    def _decompress(self, packed: bytes) -> bytes:
        frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
        plain = frame.decompress(packed)
        self._frame, self._input = (None, frame.unused_data) if frame.eof else (frame, b"")
        return plain


class _Counted(io.RawIOBase):
    """Counts and hashes the bytes that are read."""

    def __init__(self, stream: IO[bytes], layer: LayerFiles) -> None:
        super().__init__()
        self._stream = stream
        self._layer = layer
        self._budget = plain_limit(layer.descriptor.size)
        self._hasher = hashlib.sha256() if layer.diff_ids else None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override] # any writable buffer is one
        data = self._stream.read(len(buffer))
        self._budget -= len(data)
        if self._budget < 0:
            size = self._layer.descriptor.size
            raise UnsupportedArtifactError(
                f"layer {self._layer.descriptor.digest} of {size} bytes unpacks to far more than is allowed"
            )
        if self._hasher:
            self._hasher.update(data)
        buffer[: len(data)] = data
        return len(data)

    def finish(self) -> None:
        """Read the rest, and verify. Raises DigestMismatchError."""
        while self.read(CHUNK):
            pass
        if self._hasher and f"sha256:{self._hasher.hexdigest()}" not in self._layer.diff_ids:
            raise DigestMismatchError(
                f"layer {self._layer.descriptor.digest} does not unpack to the content that the artifact "
                "declares: none of its diffIds matches. Ask the author of the artifact to push it again"
            )
