"""FlatBuffers read in place: tables and vectors by their offsets (flatbuffers.dev/internals), the rest left unread."""

import struct
from typing import BinaryIO

READ_LIMIT = 64 * 1024**2
"""Bytes of structure in one file, however often it names them."""
READ_COST = 64
"""A small read counts as so many bytes, or a file whose offsets share a place is followed for minutes."""
TEXT_LIMIT = 1024 * 1024


class Buffer:
    """A file that holds one FlatBuffer. Reading raises ValueError where an offset leads out of the file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = READ_LIMIT

    def root(self, begin: int = 0) -> "Table":
        """The table that the buffer is about, which begins there in the file."""
        return Table(self, begin + self.number(begin, "<I"))

    def read(self, at: int, size: int) -> bytes:
        """So many bytes."""
        self._left -= max(size, READ_COST)
        if self._left < 0:
            raise ValueError(f"its structure is larger than {READ_LIMIT} bytes")
        if at < 0:
            raise ValueError("an offset leads before the beginning")
        self._file.seek(at)
        content = self._file.read(size)
        if len(content) < size:
            raise ValueError("an offset leads behind the end")
        return content

    def number(self, at: int, kind: str) -> int:
        """An integer, of one of the types of `struct`."""
        return int(struct.unpack(kind, self.read(at, struct.calcsize(kind)))[0])


class Table:
    """One table; its fields have numbers in the order in which the schema declares them."""

    def __init__(self, buffer: Buffer, at: int) -> None:
        self._buffer = buffer
        self._at = at
        fields = at - buffer.number(at, "<i")
        size = buffer.number(fields, "<H")
        self._fields = buffer.read(fields, size)

    def number(self, field: int, kind: str, default: int = 0) -> int:
        """An integer field."""
        at = self._place(field)
        return self._buffer.number(at, kind) if at else default

    def table(self, field: int) -> "Table | None":
        """The table that a field points to."""
        at = self._place(field)
        return Table(self._buffer, at + self._buffer.number(at, "<I")) if at else None

    def numbers(self, field: int) -> tuple[int, ...]:
        """A vector of 32-bit integers; empty where it is absent."""
        at, count = self._vector(field)
        return struct.unpack(f"<{count}i", self._buffer.read(at, 4 * count)) if count else ()

    def length(self, field: int) -> int:
        """The number of elements of a vector."""
        return self._vector(field)[1]

    def text(self, field: int) -> str:
        """A string; empty where it is absent."""
        return self.content(field).decode()

    def content(self, field: int) -> bytes:
        """A short vector of bytes."""
        at, count = self._vector(field)
        if count > TEXT_LIMIT:
            raise ValueError(f"a text is longer than {TEXT_LIMIT} bytes")
        return self._buffer.read(at, count) if count else b""

    def tables(self, field: int) -> list["Table"]:
        """A vector of tables."""
        at, count = self._vector(field)
        offsets = struct.unpack(f"<{count}I", self._buffer.read(at, 4 * count)) if count else ()
        return [Table(self._buffer, at + 4 * index + offset) for index, offset in enumerate(offsets)]

    def _place(self, field: int) -> int:
        """Where a field's value begins; 0 where it is absent."""
        entry = self._fields[4 + 2 * field : 6 + 2 * field]
        offset = int.from_bytes(entry, "little")
        return self._at + offset if offset else 0

    def _vector(self, field: int) -> tuple[int, int]:
        at = self._place(field)
        if not at:
            return 0, 0
        begin = at + self._buffer.number(at, "<I")
        return begin + 4, self._buffer.number(begin, "<I")
