"""Tensors that the Open Inference Protocol, version 2, cannot represent, because it has no datatype for them."""

from collections.abc import Iterator

from kleverproto.signatures import UNKNOWN_ELEMENTS, Signature

from .weights import BITS

CARRIED = frozenset(
    {"bool", "str", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))}
    | {f"float{bits}" for bits in (16, 32, 64)}
)


def unsupported_tensors(signature: Signature) -> Iterator[str]:
    """Yield a sentence for each input and output that cannot be sent, with the remedy."""
    for kind, tensors in (("input", signature.inputs), ("output", signature.outputs)):
        for tensor in tensors:
            if tensor.dtype in BITS and tensor.dtype not in CARRIED:
                yield (
                    f"the {kind} {tensor.name!r} is of type {tensor.dtype}, for which the inference protocol has no "
                    "datatype, so it cannot be served: cast it inside the model, such as to float32 or int32"
                )
            reason = signature.unknown.get(tensor.name, "")
            if tensor.dtype is None and reason.startswith(UNKNOWN_ELEMENTS):
                remedy = "cast it inside the model to another type"
                yield f"the {kind} {tensor.name!r} cannot be served, as {reason}: {remedy}"
