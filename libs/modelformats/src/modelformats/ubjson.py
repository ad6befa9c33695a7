"""Universal Binary JSON, draft 12 (ubjson.org), as XGBoost writes it: the structure, and arrays of numbers by length.

Numbers of large typed arrays are passed over: they are a model's weights.
"""

import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

DEEPEST = 64
KEPT = 64
"""Numbers of a typed array that are read; of longer ones only the length is."""
LONGEST_TEXT = 1024 * 1024
MOST_ITEMS = 10_000_000

_NUMBERS = {b"i": "b", b"U": "B", b"I": "h", b"l": "i", b"L": "q", b"d": "f", b"D": "d"}
_CONSTANTS = {b"Z": None, b"T": True, b"F": False}


@dataclass(frozen=True)
class Skipped:
    """An array of numbers that was passed over."""

    length: int


def load_ubjson(file: BinaryIO) -> Any:
    """The first value of a stream.

    Raises:
        ValueError: it ends early, is nested too deeply, or is no UBJSON.
    """
    return _value(file, _take(file, 1), 0)


def _value(file: BinaryIO, marker: bytes, depth: int) -> Any:
    if depth > DEEPEST:
        raise ValueError("it is nested too deeply")
    if marker in _CONSTANTS:
        return _CONSTANTS[marker]
    if marker in _NUMBERS:
        return _number(file, marker)
    if marker == b"S":
        return _text(file)
    if marker == b"C":
        return _take(file, 1).decode("latin-1")
    if marker == b"[":
        return _array(file, depth)
    if marker == b"{":
        return _object(file, depth)
    raise ValueError(f"it has the unknown type {marker!r}")


def _array(file: BinaryIO, depth: int) -> Any:
    kind, count, marker = _header(file)
    if count is None:
        items = []
        while marker != b"]":
            items.append(_value(file, marker, depth + 1))
            marker = _marker(file)
            _check_count(len(items))
        return items
    if kind in _NUMBERS and count > KEPT:
        _pass_over(file, count * struct.calcsize(_NUMBERS[kind]))
        return Skipped(count)
    _check_count(count)
    return [_value(file, kind or _take(file, 1), depth + 1) for _ in range(count)]


def _object(file: BinaryIO, depth: int) -> dict[str, Any]:
    kind, count, marker = _header(file)
    found: dict[str, Any] = {}
    if count is not None:
        _check_count(count)
        for _ in range(count):
            name = _text(file)
            found[name] = _value(file, kind or _take(file, 1), depth + 1)
        return found
    while marker != b"}":
        name = _take(file, _length(file, marker)).decode()
        found[name] = _value(file, _marker(file), depth + 1)
        marker = _marker(file)
        _check_count(len(found))
    return found


def _header(file: BinaryIO) -> tuple[bytes, int | None, bytes]:
    """Type and count of a container, where they are told; else the marker that comes next."""
    marker = _marker(file)
    kind = b""
    if marker == b"$":
        kind = _take(file, 1)
        if kind in _CONSTANTS:  # items without bytes: a short file could hold any number of them
            raise ValueError("a container holds constants only")
        marker = _take(file, 1)
        if marker != b"#":
            raise ValueError("a container has a type but no count")
    if marker == b"#":
        return kind, _length(file, _take(file, 1)), b""
    return kind, None, marker


def _marker(file: BinaryIO) -> bytes:
    marker = _take(file, 1)
    while marker == b"N":
        marker = _take(file, 1)
    return marker


def _text(file: BinaryIO) -> str:
    return _take(file, _length(file, _take(file, 1))).decode()


def _length(file: BinaryIO, marker: bytes) -> int:
    length = _number(file, marker) if marker in _NUMBERS else -1
    if not isinstance(length, int) or length < 0:
        raise ValueError("it has a length that is none")
    return length


def _number(file: BinaryIO, marker: bytes) -> int | float:
    code = f">{_NUMBERS[marker]}"
    number: int | float = struct.unpack(code, _take(file, struct.calcsize(code)))[0]
    return number


def _take(file: BinaryIO, size: int) -> bytes:
    if size > LONGEST_TEXT:
        raise ValueError(f"a text of {size} bytes is too long")
    data = file.read(size)
    if len(data) < size:
        raise ValueError("it ends early")
    return data


def _pass_over(file: BinaryIO, size: int) -> None:
    """Go on behind so many bytes, which must be there."""
    end = file.seek(0, 1) + size
    if size:
        file.seek(end - 1)
        _take(file, 1)


def _check_count(count: int) -> None:
    if count > MOST_ITEMS:
        raise ValueError("it has too many items")
