"""One set of tensors for each model: in the catalogue and in the server's metadata."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kleverproto.signatures import Signature, Tensor

DATATYPES = {
    "bool": "BOOL",
    "str": "BYTES",
    "bytes": "BYTES",
    **{f"{kind}int{bits}": f"{kind.upper()}INT{bits}" for kind in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": f"FP{bits}" for bits in (16, 32, 64)},
}
"""NumPy's names of types to those of the protocol."""


def assert_same_tensors(signature: Signature, metadata: Mapping[str, Any]) -> None:
    """Check that names and their order are equal, and types and shapes as far as the files define them."""
    for side in ("inputs", "outputs"):
        tensors: Sequence[Tensor] = getattr(signature, side)
        served = metadata[side]
        assert [tensor.name for tensor in tensors] == [entry["name"] for entry in served], side
        for tensor, entry in zip(tensors, served, strict=True):
            assert tensor.dtype is None or DATATYPES[tensor.dtype] == entry["datatype"], tensor
            assert tensor.shape is None or not entry["shape"] or agree(tensor.shape, entry["shape"]), tensor


def agree(catalogued: Sequence[int | str], served: Iterable[int]) -> bool:
    """Return whether ranks and all sizes that the catalogue knows are equal; -1 or a symbol matches any."""
    return all(size in {-1, there} or isinstance(size, str) for size, there in zip(catalogued, served, strict=True))
