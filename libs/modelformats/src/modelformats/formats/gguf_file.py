"""The structure of a GGUF file: keys and tensor headers, in either byte order. Tensors are not read."""

import os
import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, BinaryIO

from modelformats.weights import Weight, element_count, unknown_type

MAGIC = b"GGUF"
VERSIONS = {2, 3}
LONGEST_TEXT = 1024 * 1024
MOST_ENTRIES = 1_000_000
MOST_BYTES = 2**60
MOST_DIMENSIONS = 8
DEEPEST = 4
ALIGNMENT, USUAL_ALIGNMENT = "general.alignment", 32
TEXT, ARRAY = 8, 9
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
TYPES: dict[int, tuple[str, int, int]] = {
    0: ("float32", 1, 4),
    1: ("float16", 1, 2),
    2: ("q4_0", 32, 18),
    3: ("q4_1", 32, 20),
    6: ("q5_0", 32, 22),
    7: ("q5_1", 32, 24),
    8: ("q8_0", 32, 34),
    9: ("q8_1", 32, 36),
    10: ("q2_k", 256, 84),
    11: ("q3_k", 256, 110),
    12: ("q4_k", 256, 144),
    13: ("q5_k", 256, 176),
    14: ("q6_k", 256, 210),
    15: ("q8_k", 256, 292),
    16: ("iq2_xxs", 256, 66),
    17: ("iq2_xs", 256, 74),
    18: ("iq3_xxs", 256, 98),
    19: ("iq1_s", 256, 50),
    20: ("iq4_nl", 32, 18),
    21: ("iq3_s", 256, 110),
    22: ("iq2_s", 256, 82),
    23: ("iq4_xs", 256, 136),
    24: ("int8", 1, 1),
    25: ("int16", 1, 2),
    26: ("int32", 1, 4),
    27: ("int64", 1, 8),
    28: ("float64", 1, 8),
    29: ("iq1_m", 256, 56),
    30: ("bfloat16", 1, 2),
    34: ("tq1_0", 256, 54),
    35: ("tq2_0", 256, 66),
    39: ("mxfp4", 32, 17),
    40: ("nvfp4", 64, 36),
    41: ("q1_0", 128, 18),
}
"""Name, and elements and bytes of one block, by ggml type."""


@dataclass(frozen=True, slots=True)
class GgufFile:
    """The content of a file."""

    is_big_endian: bool
    keys: dict[str, Any]
    weights: tuple[Weight, ...]


def read_gguf(file: BinaryIO) -> GgufFile:
    """Read keys and weights of a file.

    Raises:
        ValueError: it is damaged, shorter than its tensors, or of an unknown version.
    """
    if file.read(len(MAGIC)) != MAGIC:
        raise ValueError("it does not begin with GGUF")
    raw = file.read(4)
    # All versions are small numbers: if the low half is empty, the byte order is swapped.
    is_big_endian = raw[:2] == b"\0\0"
    return _Reader(file, ">" if is_big_endian else "<").contents(raw, is_big_endian=is_big_endian)


class _Reader:
    def __init__(self, file: BinaryIO, order: str) -> None:
        self._file, self._order = file, order
        self._size = os.fstat(file.fileno()).st_size

    def contents(self, raw_version: bytes, *, is_big_endian: bool) -> GgufFile:
        (version,) = struct.unpack(f"{self._order}I", raw_version)
        if version not in VERSIONS:
            raise ValueError(f"it is GGUF of version {version}: convert it to version 3 with the gguf tools")
        tensor_count, key_count = self._numbers("QQ")
        if max(tensor_count, key_count) > MOST_ENTRIES:
            raise ValueError("it declares more keys or tensors than any model has")
        keys = {self._text(): self._value(self._number("I"), 0) for _ in range(key_count)}
        headers = [self._tensor() for _ in range(tensor_count)]
        return GgufFile(is_big_endian, keys, tuple(self._weights(headers, keys.get(ALIGNMENT))))

    def _tensor(self) -> tuple[int, tuple[int, ...], int]:
        """Return type, shape and offset of a tensor."""
        self._text()
        dimensions = self._number("I")
        if dimensions > MOST_DIMENSIONS:
            raise ValueError("a tensor has too many dimensions")
        shape = self._numbers(f"{dimensions}Q")
        kind, offset = self._numbers("IQ")
        element_count(shape)
        if offset > MOST_BYTES:
            raise ValueError("a tensor has an impossible offset")
        return kind, shape, offset

    def _weights(self, headers: list[tuple[int, tuple[int, ...], int]], alignment: Any) -> list[Weight]:
        """Return the size of each tensor; one of an unknown type extends to the next one, including padding."""
        step = alignment if isinstance(alignment, int) and 0 < alignment < MOST_BYTES else USUAL_ALIGNMENT
        begin = -(-self._file.tell() // step) * step
        following = dict(pairwise([*sorted({offset for _, _, offset in headers}), max(self._size - begin, 0)]))
        weights = []
        for kind, shape, offset in headers:
            size = _size(kind, shape) if kind in TYPES else max(following[offset] - offset, 0)
            if size and begin + offset + size > self._size:
                raise ValueError(
                    f"its tensors reach to byte {begin + offset + size}, but it has only {self._size}: "
                    "copy it again, as a whole"
                )
            weights.append(Weight(type_name(kind), shape, size))
        return weights

    def _value(self, kind: int, depth: int) -> Any:
        """Return the value of a key; for an array its length."""
        if kind in SCALARS:
            return self._numbers(SCALARS[kind])[0]
        if kind == TEXT:
            return self._text()
        if kind != ARRAY or depth > DEEPEST:
            raise ValueError(f"a key has the unknown type {kind}")
        inner, length = self._numbers("IQ")
        if inner in SCALARS:
            self._pass_over(length * struct.calcsize(f"<{SCALARS[inner]}"))
            return length
        for _ in range(length):  # each iteration reads at least a length, so the end of the file stops it
            self._value(inner, depth + 1)
        return length

    def _text(self) -> str:
        length = self._number("Q")
        if length > LONGEST_TEXT:
            raise ValueError(f"a text of {length} bytes is too long")
        return self._take(length).decode(errors="replace")

    def _number(self, kind: str) -> int:
        return int(self._numbers(kind)[0])

    def _numbers(self, kinds: str) -> tuple[Any, ...]:
        form = struct.Struct(self._order + kinds)
        return form.unpack(self._take(form.size))

    def _take(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) < size:
            raise ValueError("it is cut off")
        return data

    def _pass_over(self, size: int) -> None:
        """Skip bytes, which must exist."""
        if size > self._size - self._file.tell():
            raise ValueError("it is cut off in an array")
        self._file.seek(size, os.SEEK_CUR)


def type_name(kind: int) -> str:
    """Return the name of a ggml type; unknown types are shown by number."""
    return TYPES[kind][0] if kind in TYPES else unknown_type(kind)


def _size(kind: int, shape: tuple[int, ...]) -> int:
    _, block, size = TYPES[kind]
    return -(-element_count(shape) // block) * size
