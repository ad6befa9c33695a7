"""Flatbuffers (flatbuffers.dev, "Internals") without a schema compiler: tables by position, their fields by number."""

import struct
from mmap import mmap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_TEXT = 1024 * 1024


class Table:
    """One table; every reading is checked against the buffer's end and raises ValueError past it."""

    def __init__(self, buffer: mmap, position: int) -> None:
        self._buffer, self._position = buffer, position

    def table(self, field: int) -> "Table | None":
        """The table that a field points to."""
        at = self._pointed(field)
        return None if at is None else Table(self._buffer, at)

    def tables(self, field: int, most: int) -> "Iterator[Table]":
        """Those of a vector of tables, of which there may be so many."""
        count = self.length(field)
        if count > most:
            raise ValueError(f"it lists {count} things where at most {most} are read")
        begin = (self._pointed(field) or 0) + 4
        for at in range(begin, begin + 4 * count, 4):
            yield Table(self._buffer, at + _number(self._buffer, "<I", at))

    def length(self, field: int) -> int:
        """How many values a vector has."""
        at = self._pointed(field)
        return 0 if at is None else _number(self._buffer, "<I", at)

    def text(self, field: int, longest: int = LONGEST_TEXT) -> str | None:
        """A text, None when there is none or it is longer."""
        at = self._pointed(field)
        length = self.length(field)
        if at is None or length > longest:
            return None
        if at + 4 + length > len(self._buffer):
            raise ValueError("a text ends past the end of the file")
        return self._buffer[at + 4 : at + 4 + length].decode()

    def integer(self, field: int, default: int) -> int:
        """A number of 32 bits."""
        at = self._field(field)
        return default if at is None else _number(self._buffer, "<i", at)

    def _pointed(self, field: int) -> int | None:
        at = self._field(field)
        return None if at is None else at + _number(self._buffer, "<I", at)

    def _field(self, field: int) -> int | None:
        described = self._position - _number(self._buffer, "<i", self._position)
        size = _number(self._buffer, "<H", described)
        place = 4 + 2 * field
        offset = _number(self._buffer, "<H", described + place) if place + 2 <= size else 0
        return self._position + offset if offset else None


def root(buffer: mmap, begin: int) -> Table:
    """The table that a flatbuffer holds, which begins there."""
    return Table(buffer, begin + _number(buffer, "<I", begin))


def _number(buffer: mmap, form: str, at: int) -> int:
    if not 0 <= at <= len(buffer) - struct.calcsize(form):
        raise ValueError("an offset points past the end of the file")
    return int(struct.unpack_from(form, buffer, at)[0])
