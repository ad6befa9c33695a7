"""Converts tensors between JSON and numpy, by the datatypes of the Open Inference Protocol.

JSON supports neither NaN nor infinity. A `null` in the data of an FP16, FP32 or FP64 input means NaN (a missing value),
and NaN or infinity in such an output is written as `null`: one bad number does not fail the whole batch, and the
response is valid JSON (Triton writes a bare `NaN`, which most JSON parsers reject).
"""

from collections.abc import Sequence
from enum import StrEnum
from itertools import chain
from math import prod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .errors import ExecutionError, InvalidRequestError

Array: TypeAlias = npt.NDArray[Any]


class Datatype(StrEnum):
    """The protocol's tensor element types."""

    BOOL = "BOOL"
    UINT8 = "UINT8"
    UINT16 = "UINT16"
    UINT32 = "UINT32"
    UINT64 = "UINT64"
    INT8 = "INT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    FP16 = "FP16"
    FP32 = "FP32"
    FP64 = "FP64"
    BYTES = "BYTES"


NUMPY_TYPES: dict[Datatype, np.dtype[Any]] = {
    Datatype.BOOL: np.dtype(np.bool_),
    Datatype.UINT8: np.dtype(np.uint8),
    Datatype.UINT16: np.dtype(np.uint16),
    Datatype.UINT32: np.dtype(np.uint32),
    Datatype.UINT64: np.dtype(np.uint64),
    Datatype.INT8: np.dtype(np.int8),
    Datatype.INT16: np.dtype(np.int16),
    Datatype.INT32: np.dtype(np.int32),
    Datatype.INT64: np.dtype(np.int64),
    Datatype.FP16: np.dtype(np.float16),
    Datatype.FP32: np.dtype(np.float32),
    Datatype.FP64: np.dtype(np.float64),
    Datatype.BYTES: np.dtype(object),
}

# The JSON types accepted for a kind of numpy type, and its name in error messages.
_ACCEPTED: dict[str, tuple[frozenset[type], str]] = {
    "b": (frozenset({bool}), "true or false"),
    "u": (frozenset({int}), "integers"),
    "i": (frozenset({int}), "integers"),
    "f": (frozenset({int, float, type(None)}), "numbers (null for NaN)"),
    "O": (frozenset({str}), "strings"),
}


def decode(data: object, *, name: str, datatype: Datatype, shape: Sequence[int]) -> Array:
    """Return the tensor for `data` of a request: flat in row-major order, or nested exactly as `shape`.

    Raises:
        InvalidRequestError: the data does not fit the datatype or the shape; the message says what was expected.
    """
    values = _flat(data, name=name, shape=shape)
    dtype = NUMPY_TYPES[datatype]
    _check_types(values, name=name, datatype=datatype)
    if dtype.kind in "iu":
        _check_integers(values, name=name, datatype=datatype)
    try:
        with np.errstate(over="raise"):
            array = np.array(values, dtype=dtype)
    except FloatingPointError as error:
        raise InvalidRequestError(f"input '{name}' contains a number too large for {datatype}") from error
    return array.reshape(shape)


def encode(array: Array, *, name: str) -> Array | list[str]:
    """Return the flat `data` of a response, ready for orjson with numpy support.

    Raises:
        ExecutionError: a BYTES output is not UTF-8 text, which JSON cannot represent.
    """
    flat = np.ascontiguousarray(array).ravel()
    if flat.dtype != object:
        return flat
    try:
        return [value.decode() if isinstance(value, bytes) else str(value) for value in flat.tolist()]
    except UnicodeDecodeError as error:
        raise ExecutionError(f"output '{name}' contains bytes that are not UTF-8 text") from error


def _flat(data: object, *, name: str, shape: Sequence[int]) -> list[Any]:
    if not isinstance(data, list):
        raise InvalidRequestError(f"input '{name}' needs 'data', a JSON array")
    level: list[Any] = data
    if data and isinstance(data[0], list):
        level = _unnest(data, name=name, shape=shape)
    if len(level) != prod(shape):
        raise InvalidRequestError(
            f"input '{name}' has {len(level)} values in 'data', but its shape {list(shape)} needs {prod(shape)}"
        )
    return level


def _unnest(data: list[Any], *, name: str, shape: Sequence[int]) -> list[Any]:
    level = [data]
    for depth, length in enumerate(shape):
        if not all(type(item) is list and len(item) == length for item in level):
            raise InvalidRequestError(
                f"input '{name}': nested 'data' must have the shape {list(shape)}; at depth {depth} "
                f"not every array has {length} items"
            )
        level = list(chain.from_iterable(level))
    return level


def _check_types(values: list[Any], *, name: str, datatype: Datatype) -> None:
    accepted, called = _ACCEPTED[NUMPY_TYPES[datatype].kind]
    if set(map(type, values)) <= accepted:
        return
    index = next(i for i, value in enumerate(values) if type(value) not in accepted)
    raise InvalidRequestError(
        f"input '{name}' is {datatype} and requires {called}, but value {index} is {values[index]!r:.80}"
    )


def _check_integers(values: list[int], *, name: str, datatype: Datatype) -> None:
    limits = np.iinfo(NUMPY_TYPES[datatype])
    if values and (min(values) < limits.min or max(values) > limits.max):
        raise InvalidRequestError(
            f"input '{name}' contains a value outside the range of {datatype}, from {limits.min} to {limits.max}"
        )
