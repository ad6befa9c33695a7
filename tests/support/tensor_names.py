"""One set of tensors for each model: what the catalogue says of them, and what a server says."""

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
"""NumPy's names of types to the protocol's."""


def assert_same_tensors(signature: Signature, metadata: Mapping[str, Any]) -> None:
    """Names and their order are the same, and so are types and shapes as far as the files tell them."""
    for side in ("inputs", "outputs"):
        tensors: Sequence[Tensor] = getattr(signature, side)
        served = metadata[side]
        assert [tensor.name for tensor in tensors] == [entry["name"] for entry in served], side
        for tensor, entry in zip(tensors, served, strict=True):
            assert tensor.dtype is None or DATATYPES[tensor.dtype] == entry["datatype"], tensor
            assert tensor.shape is None or not entry["shape"] or agree(tensor.shape, entry["shape"]), tensor


def agree(catalogued: Sequence[int | str], served: Iterable[int]) -> bool:
    """Whether ranks are the same, and each size that the catalogue knows is the server's; -1 or a symbol is any."""
    return all(size in {-1, there} or isinstance(size, str) for size, there in zip(catalogued, served, strict=True))
