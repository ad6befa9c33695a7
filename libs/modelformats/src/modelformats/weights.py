"""Weights counted by their types and shapes, without their values."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from kleverproto.signatures import UNKNOWN_TYPE, Parameters

MAX_ELEMENTS = 2**48
"""More than any tensor has; a shape beyond it is damage."""
LONGEST_TYPE = 40
"""Characters of an unknown type's name that are shown."""
SHOWN = 5
"""So many unknown types are named."""
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
"""Bits of one element, by the name of numpy or ml_dtypes, or of the framework where these have none; types below a byte
are packed. Strings have no size."""


class Weight(NamedTuple):
    """One tensor of weights."""

    dtype: str | None
    """The name of numpy or ml_dtypes, or what `unknown_type` gives; None where there is none, as for strings."""
    shape: Sequence[int]
    size: int | None = None
    """Bytes, where the file declares them; otherwise they follow from type and shape."""


def unknown_type(written: object) -> str:
    """What weights of a type that is newer than this reader are counted as: the type as the file writes it."""
    text = str(written)
    return f"{UNKNOWN_TYPE} {text[:LONGEST_TYPE] if text.isprintable() else '?'}"


def named_type(names: Mapping[Any, str], written: Any) -> str:
    """The name of the type that a file writes so, by the format's table of types, or what `unknown_type` gives."""
    return names.get(written) or unknown_type(written)


def unknown_elements(written: object) -> str:
    """Why an input or output has no type: that which the file writes is newer than this reader."""
    return f"its elements are of {unknown_type(written)}: {NEWER}"


def unknown_tensors(names: Mapping[Any, str], written: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """`unknown_elements` for those inputs and outputs, by name, whose types a format's table lacks."""
    return {name: unknown_elements(kind) for name, kind in written if kind not in names}


def newer_types(weights: Iterable[Weight]) -> dict[str, str]:
    """Why some weights are counted as of an unknown type, for `Signature.unknown`; empty where none are."""
    newer = [weight for weight in weights if (weight.dtype or "").startswith(UNKNOWN_TYPE)]
    if not newer:
        return {}
    names = sorted({str(weight.dtype) for weight in newer})
    unmeasured = any(weight.size is None for weight in newer)
    size = "; the file does not contain their sizes" if unmeasured else ""
    return {"parameters": f"there are weights of {', '.join(names[:SHOWN])}: {NEWER}{size}"}


def size_in_bytes(dtype: str | None, shape: Sequence[int]) -> int | None:
    """Bytes of a tensor, packed without gaps; None where a type has no size. Raises ValueError as `element_count`."""
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
    """The product of the dimensions. Raises ValueError when no tensor can have it."""
    elements = 1
    for size in shape:
        elements *= size
        if not 0 <= elements <= MAX_ELEMENTS:
            raise ValueError("a tensor has impossible dimensions")
    return elements
