"""Shared by TensorFlow's formats: data types (tensorflow/core/framework/types.proto), and names of nodes."""

from kleverproto.signatures import NO_TENSOR, UNDECLARED_ELEMENTS
from modelformats.weights import unknown_elements

DTYPES = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    7: "str",
    8: "complex64",
    9: "int64",
    10: "bool",
    11: "qint8",
    12: "quint8",
    13: "qint32",
    14: "bfloat16",
    15: "qint16",
    16: "quint16",
    17: "uint16",
    18: "complex128",
    19: "float16",
    22: "uint32",
    23: "uint64",
    24: "float8_e5m2",
    25: "float8_e4m3fn",
    26: "float8_e4m3fnuz",
    27: "float8_e4m3b11fnuz",
    28: "float8_e5m2fnuz",
    29: "int4",
    30: "uint4",
    31: "int2",
    32: "uint2",
    33: "float4_e2m1fn",
}
"""Quantized types have TensorFlow's own names."""
HANDLES = {20: "resource", 21: "variant"}
"""Types whose elements are neither numbers nor texts."""
REFERENCE = 100
"""Added to the number of a type for a variable of TensorFlow 1 instead of its value."""


def dtype_of(number: int) -> str | None:
    """Return the name of a type by its number; None if it has none, for which `why_untyped` gives the reason."""
    return DTYPES.get(_plain(number))


def why_untyped(number: int) -> str | None:
    """Return the reason why an input or output of this type has no numpy type; None if it has one."""
    plain = _plain(number)
    if plain in DTYPES:
        return None
    if plain in HANDLES:
        return f"{NO_TENSOR}{HANDLES[plain]}"
    return unknown_elements(number) if number else UNDECLARED_ELEMENTS


def _plain(number: int) -> int:
    return number - REFERENCE if number > REFERENCE else number


def node_name(consumed: str) -> str:
    """Return the node in an input of another node: `node`, `node:1` for the second result, `^node` for completion."""
    return consumed.removeprefix("^").partition(":")[0]
