"""A strict stream, which reads exactly the requested number of bytes, up to a limit."""

from typing import BinaryIO

from .errors import LimitError, RefusedPickleError

CHUNK = 1024 * 1024
LINE_LIMIT = 64 * 1024 * 1024
"""Maximum number of bytes of a line; the texts of protocol 0 are lines."""
UNPACKED_LIMIT = 4 * 1024**3
"""Default maximum number of bytes to which a compressed file may decompress."""


class StrictStream:
    """Never returns fewer bytes than requested.

    Python's unpicklers treat truncated streams differently; here none of them sees one.
    """

    def __init__(self, stream: BinaryIO, limit: int = UNPACKED_LIMIT) -> None:
        self._stream = stream
        self._ahead = b""
        self._left = limit
        self.limit = limit
        self.position = 0
        """Number of bytes read so far."""

    def read(self, size: int) -> bytes:
        """Return exactly this number of bytes.

        Raises RefusedPickleError if fewer are left, LimitError beyond the limit.
        """
        if size < 0:
            raise RefusedPickleError("it asks for a negative number of bytes")
        parts, missing = [], size
        while missing > 0:
            part = self._some(min(missing, CHUNK))
            if not part:
                raise RefusedPickleError(f"it ends {missing} bytes early")
            self._count(len(part))
            parts.append(part)
            missing -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def readline(self) -> bytes:
        """Return one line with its end. Raises the errors of `read`."""
        ahead = self._some(1)
        line = ahead if ahead in {b"", b"\n"} else ahead + self._stream.readline(LINE_LIMIT - 1)
        self._count(len(line))
        if not line.endswith(b"\n"):
            if len(line) == LINE_LIMIT:
                raise LimitError(f"it has a line of more than {LINE_LIMIT} bytes")
            raise RefusedPickleError("it ends within a line")
        return line

    def skip(self, size: int) -> None:
        """Skip bytes, with at most one chunk of them in memory. Raises the errors of `read`."""
        for begin in range(0, size, CHUNK):
            self.read(min(CHUNK, size - begin))

    def is_at_end(self) -> bool:
        """Return whether no bytes are left."""
        self._ahead = self._ahead or self._stream.read(1)
        return not self._ahead

    def _some(self, size: int) -> bytes:
        if self._ahead and size:
            taken, self._ahead = self._ahead, b""
            return taken
        return self._stream.read(size)

    def _count(self, size: int) -> None:
        self._left -= size
        self.position += size
        if self._left < 0:
            raise LimitError(f"it is larger than {self.limit} bytes when decompressed")
