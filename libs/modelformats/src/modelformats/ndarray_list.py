"""MXNet's .params files: a list of arrays with names, read without the arrays' values.

The layout is that of `NDArray::Save` and `NDArray::Load` in MXNet (src/ndarray/ndarray.cc), of all its versions. All
numbers are little-endian.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .weights import size_in_bytes

MAGIC = 0x112
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
AUXILIARY = {1: 1, 2: 2}
"""Number of further arrays by storage type: indices of a row-sparse array; indices and pointers of a compressed one."""
ARRAYS_LIMIT = 200_000
NAME_LIMIT = 4096
DIMENSIONS_LIMIT = 32
DTYPES = {
    0: "float32",
    1: "float64",
    2: "float16",
    3: "uint8",
    4: "int32",
    5: "int8",
    6: "int64",
    7: "bool",
    8: "int16",
    9: "uint16",
    10: "uint32",
    11: "uint64",
    12: "bfloat16",
}
"""Type flags of mshadow."""


@dataclass(frozen=True)
class NDArray:
    """An array: its name (empty if the list has none), numpy type and shape."""

    name: str
    dtype: str
    shape: tuple[int, ...]


def read_arrays(path: Path) -> list[NDArray]:
    """Return the arrays of a file. Raises ValueError if it is damaged."""
    with path.open("rb") as file:
        reader = _Reader(file)
        if reader.number("<Q") != MAGIC:
            raise ValueError("it does not begin like a list of arrays")
        reader.number("<Q")
        arrays = [reader.array() for _ in range(reader.count(ARRAYS_LIMIT))]
        names = [reader.name() for _ in range(reader.count(ARRAYS_LIMIT))]
    if names and len(names) != len(arrays):
        raise ValueError(f"it has {len(arrays)} arrays and {len(names)} names")
    return [NDArray(name, *array) for name, array in zip(names or [""] * len(arrays), arrays, strict=True)]


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size

    def number(self, kind: str) -> int:
        return int(struct.unpack(kind, self._read(struct.calcsize(kind)))[0])

    def count(self, limit: int) -> int:
        count = self.number("<Q")
        if count > limit:
            raise ValueError(f"it declares {count} entries; no model has more than {limit}")
        return count

    def name(self) -> str:
        return self._read(self.count(NAME_LIMIT)).decode()

    def array(self) -> tuple[str, tuple[int, ...]]:
        version = self.number("<I")
        if version not in {V1, V2, V3}:  # the first layout has none, but begins with the number of dimensions
            return self._values(self._dimensions(version, "<I"))
        storage = self.number("<i") if version != V1 else 0
        stored = self._shape() if storage in AUXILIARY else None
        shape = self._shape()
        if shape is None or (not shape and version != V3):
            return "float32", (0,)  # an uninitialized array: no data follows
        if storage in AUXILIARY:
            return self._sparse(AUXILIARY[storage], stored or (), shape)
        return self._values(shape)

    def _sparse(self, further: int, stored: tuple[int, ...], shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        dtype = self._dtype()
        beside = [(DTYPES.get(self.number("<i"), ""), self._shape() or ()) for _ in range(further)]
        for kind, dims in [(dtype, stored), *beside]:
            self._skip(kind, dims)
        return dtype, shape

    def _values(self, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        dtype = self._dtype()
        self._skip(dtype, shape)
        return dtype, shape

    def _dtype(self) -> str:
        self._read(8)  # the device of the array
        flag = self.number("<i")
        if flag not in DTYPES:
            raise ValueError(f"an array has the unknown type {flag}")
        return DTYPES[flag]

    def _shape(self) -> tuple[int, ...] | None:
        count = self.number("<i")
        return None if count == -1 else self._dimensions(count, "<q")

    def _dimensions(self, count: int, kind: str) -> tuple[int, ...]:
        if not 0 <= count <= DIMENSIONS_LIMIT:
            raise ValueError("an array has an impossible number of dimensions")
        return tuple(self.number(kind) for _ in range(count))

    def _skip(self, dtype: str, shape: tuple[int, ...]) -> None:
        size = size_in_bytes(dtype, shape)
        if size is None:
            raise ValueError("an array has an unknown type")
        end = self._file.tell() + size
        if end > self._size:
            raise ValueError("it ends within an array")
        self._file.seek(end)

    def _read(self, size: int) -> bytes:
        content = self._file.read(size)
        if len(content) < size:
            raise ValueError("it ends too early")
        return content


def named(arrays: list[NDArray]) -> Iterator[str]:
    """Yield names of parameters without the prefix for arguments and auxiliary states that checkpoints have."""
    return (array.name.rpartition(":")[2] for array in arrays if array.name)
