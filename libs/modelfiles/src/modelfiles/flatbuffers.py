"""Reads FlatBuffers in place: tables and vectors by their offsets (flatbuffers.dev/internals), without the rest."""

import struct
from typing import BinaryIO

READ_LIMIT = 64 * 1024**2
"""Maximum number of bytes of structure to read from one file, including repeated reads."""
READ_COST = 64
"""Minimum number of bytes that a read counts, because a file whose offsets share a place could take minutes."""
TEXT_LIMIT = 1024 * 1024


class Buffer:
    """A file that contains one FlatBuffer. Reading raises ValueError if an offset is outside the file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = READ_LIMIT

    def root(self, begin: int = 0) -> "Table":
        """Return the root table of the buffer that begins at a position of the file."""
        return Table(self, begin + self.number(begin, "<I"))

    def read(self, at: int, size: int) -> bytes:
        """Return bytes at a position."""
        self._left -= max(size, READ_COST)
        if self._left < 0:
            raise ValueError(f"its structure is larger than {READ_LIMIT} bytes")
        if at < 0:
            raise ValueError("an offset points before the beginning")
        self._file.seek(at)
        content = self._file.read(size)
        if len(content) < size:
            raise ValueError("an offset points beyond the end")
        return content

    def number(self, at: int, kind: str) -> int:
        """Return an integer of a type of `struct`."""
        return int(struct.unpack(kind, self.read(at, struct.calcsize(kind)))[0])


class Table:
    """A table. Its fields are numbered in the order of the schema."""

    def __init__(self, buffer: Buffer, at: int) -> None:
        self._buffer = buffer
        self._at = at
        fields = at - buffer.number(at, "<i")
        size = buffer.number(fields, "<H")
        self._fields = buffer.read(fields, size)

    def number(self, field: int, kind: str, default: int = 0) -> int:
        """Return an integer field."""
        at = self._place(field)
        return self._buffer.number(at, kind) if at else default

    def table(self, field: int) -> "Table | None":
        """Return the table that a field points to."""
        at = self._place(field)
        return Table(self._buffer, at + self._buffer.number(at, "<I")) if at else None

    def numbers(self, field: int) -> tuple[int, ...]:
        """Return a vector of 32-bit integers; empty if it is absent."""
        at, count = self._vector(field)
        return struct.unpack(f"<{count}i", self._buffer.read(at, 4 * count)) if count else ()

    def length(self, field: int) -> int:
        """Return the number of elements of a vector."""
        return self._vector(field)[1]

    def text(self, field: int) -> str:
        """Return a string; empty if it is absent."""
        return self.content(field).decode()

    def content(self, field: int) -> bytes:
        """Return a short vector of bytes."""
        at, count = self._vector(field)
        if count > TEXT_LIMIT:
            raise ValueError(f"a text is longer than {TEXT_LIMIT} bytes")
        return self._buffer.read(at, count) if count else b""

    def tables(self, field: int) -> list["Table"]:
        """Return a vector of tables."""
        at, count = self._vector(field)
        offsets = struct.unpack(f"<{count}I", self._buffer.read(at, 4 * count)) if count else ()
        return [Table(self._buffer, at + 4 * index + offset) for index, offset in enumerate(offsets)]

    def _place(self, field: int) -> int:
        """Return the position of a field's value; 0 if it is absent."""
        entry = self._fields[4 + 2 * field : 6 + 2 * field]
        offset = int.from_bytes(entry, "little")
        return self._at + offset if offset else 0

    def _vector(self, field: int) -> tuple[int, int]:
        at = self._place(field)
        if not at:
            return 0, 0
        begin = at + self._buffer.number(at, "<I")
        return begin + 4, self._buffer.number(begin, "<I")
