"""Universal Binary JSON (ubjson.org, draft 12) as XGBoost writes it, read without its numbers.

Long arrays of numbers are skipped: the structure of a model is small, but its numbers are not.
"""

import struct
from pathlib import Path
from typing import Any, BinaryIO

NUMBERS = {b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q", b"d": ">f", b"D": ">d"}
WORDS = {b"Z": None, b"T": True, b"F": False}
KEPT = 64
"""Maximum length of arrays of numbers whose values are kept."""
DEEPEST = 100
LONGEST_TEXT = 16 * 1024 * 1024


def read_ubjson(path: Path, *, counted: frozenset[str] = frozenset()) -> Any:
    """Return the value of a file. Long arrays of numbers are None; arrays under the keys in `counted` are their length.

    Raises ValueError: the file is incomplete, nests too deeply or is not UBJSON.
    """
    with path.open("rb") as file:
        return _Reader(file, path.stat().st_size, counted).value(0)


class _Reader:
    def __init__(self, file: BinaryIO, size: int, counted: frozenset[str]) -> None:
        self._file, self._size, self._counted = file, size, counted

    def value(self, depth: int) -> Any:
        """Return the value at the current position."""
        return self._value(self._take(1), depth)

    def _value(self, marker: bytes, depth: int) -> Any:
        if depth > DEEPEST:
            raise ValueError(f"its values nest more than {DEEPEST} deep")
        if marker in NUMBERS:
            return self._number(marker)
        if marker in WORDS:
            return WORDS[marker]
        if marker == b"S":
            return self._text()
        if marker == b"{":
            return self._object(depth)
        if marker == b"[":
            return self._array(depth)
        raise ValueError(f"byte {marker!r} is not the start of a value")

    def _object(self, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        while (marker := self._take(1)) != b"}":
            key = self._text(marker)
            value = self.value(depth + 1)
            made[key] = len(value) if key in self._counted and isinstance(value, list) else value
        return made

    def _array(self, depth: int) -> list[Any] | None:
        marker = self._take(1)
        if marker == b"$":
            return self._numbers(self._take(1))
        if marker == b"#":
            # Not allocated with the declared length: each value is read before the next one is appended.
            return [self.value(depth + 1) for _ in range(self._length(self._take(1)))]
        made = []
        while marker != b"]":
            made.append(self._value(marker, depth + 1))
            marker = self._take(1)
        return made

    def _numbers(self, kind: bytes) -> list[Any] | None:
        if kind not in NUMBERS or self._take(1) != b"#":
            raise ValueError(f"an array of {kind!r} is not an array of numbers")
        count = self._length(self._take(1))
        width = struct.calcsize(NUMBERS[kind])
        self._there(count * width)
        if count > KEPT:
            self._file.seek(count * width, 1)
            return None
        return [self._number(kind) for _ in range(count)]

    def _number(self, marker: bytes) -> Any:
        form = NUMBERS[marker]
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _text(self, marker: bytes | None = None) -> str:
        length = self._length(marker or self._take(1))
        if length > LONGEST_TEXT:
            raise ValueError(f"a text is {length} bytes long")
        return self._take(length).decode()

    def _length(self, marker: bytes) -> int:
        if marker not in NUMBERS or marker in b"dD":
            raise ValueError(f"byte {marker!r} is not the start of a length")
        length = int(self._number(marker))
        if length < 0:
            raise ValueError(f"a length is {length}")
        return length

    def _take(self, size: int) -> bytes:
        self._there(size)
        return self._file.read(size)

    def _there(self, size: int) -> None:
        if size > self._size - self._file.tell():
            raise ValueError("the file ends early")
