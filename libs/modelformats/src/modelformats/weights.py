"""Weights counted by their types and shapes, without their values."""

from collections import Counter
from collections.abc import Iterable, Sequence

from kleverproto.signatures import Parameters

MAX_ELEMENTS = 2**48
"""More than any tensor has; a shape beyond it is damage."""
ITEMSIZE = {
    "bool": 1,
    **dict.fromkeys(("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"), 1),
    "int8": 1,
    "uint8": 1,
    "int16": 2,
    "uint16": 2,
    "float16": 2,
    "bfloat16": 2,
    "int32": 4,
    "uint32": 4,
    "float32": 4,
    "int64": 8,
    "uint64": 8,
    "float64": 8,
    "complex64": 8,
    "complex128": 16,
}
"""Bytes of one element, by numpy name. Strings and packed types have no size of their own."""


def counted(tensors: Iterable[tuple[str | None, Sequence[int]]]) -> Parameters:
    """Add up weights.

    Args:
        tensors: numpy name (None where there is none) and shape of each.

    Raises:
        ValueError: a shape is negative or larger than any tensor's.
    """
    count, by_dtype = 0, Counter[str]()
    for dtype, shape in tensors:
        elements = element_count(shape)
        count += elements
        if dtype in ITEMSIZE:
            by_dtype[dtype] += elements * ITEMSIZE[dtype]
    return Parameters(count=count, bytes_by_dtype=dict(sorted(by_dtype.items())))


def element_count(shape: Sequence[int]) -> int:
    """The product of the dimensions. Raises ValueError when no tensor can have it."""
    elements = 1
    for size in shape:
        elements *= size
        if not 0 <= elements <= MAX_ELEMENTS:
            raise ValueError("a tensor has impossible dimensions")
    return elements
