"""The weights of Core ML programs: attributes of operations with data in a file of the package.

Types follow MIL.proto; the layout of the file follows MILBlob/Blob/StorageFormat.hpp in coremltools.
"""

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from modelformats.weights import Weight, named_type

DTYPES = {
    1: "bool",
    2: "str",
    10: "float16",
    11: "float32",
    12: "float64",
    13: "bfloat16",
    21: "int8",
    22: "int16",
    23: "int32",
    24: "int64",
    25: "int4",
    31: "uint8",
    32: "uint16",
    33: "uint32",
    34: "uint64",
    35: "uint4",
    36: "uint2",
    37: "uint1",
    38: "uint6",
    39: "uint3",
    40: "float8_e4m3fn",
    41: "float8_e5m2",
}
PACKAGE = "@model_path/"
"""Represents the directory of the model in names of files."""
BLOB, SENTINEL = struct.Struct("<IIQQ"), 0xDEADBEEF
"""The header of each blob: a sentinel, the type, the size in bytes, and the position of the data."""


def program_weights(operations: Iterable[Any], directory: Path) -> Iterator[Weight]:
    """Yield the tensors of a program that are in its file of weights.

    Args:
        operations: of all its blocks.
        directory: of the model's file.
    """
    values = (entry.value for operation in operations for entry in operation.attributes)
    return (_weight(value, directory) for value in values if value.HasField("blob"))


def _weight(value: Any, directory: Path) -> Weight:
    kind = value.type.tensor
    size = None if kind.dtype in DTYPES else _stored(directory, value.blob)
    return Weight(named_type(DTYPES, kind.dtype), [one.constant.size for one in kind.dimensions], size)


def _stored(directory: Path, blob: Any) -> int | None:
    """Return the size of a blob that its file declares; None if the file does not contain it."""
    path = (directory / blob.file.removeprefix(PACKAGE)).resolve()
    if not path.is_relative_to(directory.resolve()) or not path.is_file() or blob.offset > path.stat().st_size:
        return None
    with path.open("rb") as file:
        file.seek(blob.offset)
        header = file.read(BLOB.size)
    if len(header) < BLOB.size:
        return None
    sentinel, _, size, begin = BLOB.unpack(header)
    return int(size) if sentinel == SENTINEL and begin + size <= path.stat().st_size else None
