"""Counts weights by their types and shapes, without their values."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from kleverproto.signatures import UNKNOWN_TYPE, Parameters

MAX_ELEMENTS = 2**48
"""No tensor has as many elements; a larger shape indicates damage."""
LONGEST_TYPE = 40
"""Maximum number of characters of an unknown type's name."""
SHOWN = 5
"""Maximum number of unknown types that are named."""
NEWER = "newer than this version of Klever"
BITS = {
    "bool": 8,
    "uint1": 1,
    **dict.fromkeys(("int2", "uint2"), 2),
    "uint3": 3,
    **dict.fromkeys(("int4", "uint4", "float4_e2m1fn", "nf4"), 4),
    **dict.fromkeys(("uint6", "float6_e2m3fn", "float6_e3m2fn"), 6),
    "float4_e2m1fn_x2": 8,
    **dict.fromkeys(("float8_e3m4", "float8_e4m3", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e4m3b11fnuz"), 8),
    **dict.fromkeys(("float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"), 8),
    **{f"{sign}int{bits}": bits for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": bits for bits in (16, 32, 64)},
    **{f"q{sign}int{bits}": bits for sign in ("", "u") for bits in (8, 16, 32)},
    "bfloat16": 16,
    **{f"complex{bits}": bits for bits in (32, 64, 128)},
}
"""Bits of one element, by the name in numpy or ml_dtypes, or in the framework if these have none; types below a byte
are packed. Strings have no size.
"""


class Weight(NamedTuple):
    """A tensor of weights."""

    dtype: str | None
    """The name in numpy or ml_dtypes, or the result of `unknown_type`; None if there is none, as for strings."""
    shape: Sequence[int]
    size: int | None = None
    """In bytes, if the file declares it; otherwise it follows from type and shape."""


def unknown_type(written: object) -> str:
    """Return the name under which weights of a newer type are counted: the type as written in the file."""
    text = str(written)
    return f"{UNKNOWN_TYPE} {text[:LONGEST_TYPE] if text.isprintable() else '?'}"


def named_type(names: Mapping[Any, str], written: Any) -> str:
    """Return the name of a written type from the format's table of types, or the result of `unknown_type`."""
    return names.get(written) or unknown_type(written)


def unknown_elements(written: object) -> str:
    """Return the reason why an input or output has no type: its written type is newer than this version of Klever."""
    return f"its elements are of {unknown_type(written)}: {NEWER}"


def unknown_tensors(names: Mapping[Any, str], written: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """Map inputs and outputs with types missing in a format's table to the reason, see `unknown_elements`."""
    return {name: unknown_elements(kind) for name, kind in written if kind not in names}


def newer_types(weights: Iterable[Weight]) -> dict[str, str]:
    """Return the reason why weights count as an unknown type, for `Signature.unknown`; empty if there are none."""
    newer = [weight for weight in weights if (weight.dtype or "").startswith(UNKNOWN_TYPE)]
    if not newer:
        return {}
    names = sorted({str(weight.dtype) for weight in newer})
    unmeasured = any(weight.size is None for weight in newer)
    size = "; the file does not contain their sizes" if unmeasured else ""
    return {"parameters": f"there are weights of {', '.join(names[:SHOWN])}: {NEWER}{size}"}


def size_in_bytes(dtype: str | None, shape: Sequence[int]) -> int | None:
    """Return the size of a tensor without gaps; None for a type without a size.

    Raises the errors of `element_count`.
    """
    bits = BITS.get(dtype or "")
    return None if bits is None else -(-element_count(shape) * bits // 8)


def counted(weights: Iterable[Weight | tuple[str | None, Sequence[int]]]) -> Parameters:
    """Add up weights.

    Raises:
        ValueError: a shape is negative or larger than any tensor's.
    """
    count, by_dtype = 0, Counter[str]()
    for dtype, shape, declared in (Weight(*weight) for weight in weights):
        count += element_count(shape)
        size = size_in_bytes(dtype, shape) if declared is None else declared
        if dtype is not None and size is not None:
            by_dtype[dtype] += size
    return Parameters(count=count, bytes_by_dtype=dict(sorted(by_dtype.items())))


def element_count(shape: Sequence[int]) -> int:
    """Return the product of the dimensions. Raises ValueError if they are impossible."""
    elements = 1
    for size in shape:
        elements *= size
        if not 0 <= elements <= MAX_ELEMENTS:
            raise ValueError("a tensor has impossible dimensions")
    return elements
