"""What TensorFlow's models have in common: data types (tensorflow/core/framework/types.proto), and names of nodes."""

from kleverproto.signatures import NO_TENSOR, UNSAID_ELEMENTS
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
"""Added to the number of a type where a variable of TensorFlow 1 is meant, not its value."""


def dtype_of(number: int) -> str | None:
    """The name of a type by its number; None where it has none, for which `why_untyped` gives the reason."""
    return DTYPES.get(_plain(number))


def why_untyped(number: int) -> str | None:
    """Why an input or output of this type has no numpy type; None where it has one."""
    plain = _plain(number)
    if plain in DTYPES:
        return None
    if plain in HANDLES:
        return f"{NO_TENSOR}{HANDLES[plain]}"
    return unknown_elements(number) if number else UNSAID_ELEMENTS


def _plain(number: int) -> int:
    return number - REFERENCE if number > REFERENCE else number


def node_name(consumed: str) -> str:
    """The node that an input of another one names: `node`, `node:1` for its second result, `^node` for its end only."""
    return consumed.removeprefix("^").partition(":")[0]
