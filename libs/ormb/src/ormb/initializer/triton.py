"""Generates Triton's config.pbtxt (its model_configuration.md) from a model's signature; pure."""

from collections.abc import Iterable

from kleverproto.signatures import Signature, Tensor
from modelfiles.runtimes import Support

DATATYPES = {
    "bool": "TYPE_BOOL",
    **{f"uint{bits}": f"TYPE_UINT{bits}" for bits in (8, 16, 32, 64)},
    **{f"int{bits}": f"TYPE_INT{bits}" for bits in (8, 16, 32, 64)},
    "float16": "TYPE_FP16",
    "float32": "TYPE_FP32",
    "float64": "TYPE_FP64",
    "bfloat16": "TYPE_BF16",
    "str": "TYPE_STRING",
}


def config(name: str, support: Support, signature: Signature | None) -> str:
    """Return config.pbtxt. Tensors are omitted if any of them is unknown: Triton then reads them from the model.

    Requests are not batched (`max_batch_size: 0`, all dimensions are listed): these formats do not show whether rows
    are independent of each other, see `Support.batch_rows`.
    """
    lines = [f'name: "{_escaped(name)}"', f'platform: "{support.implementation}"']
    tensors = (*signature.inputs, *signature.outputs) if signature else ()
    if signature is None or not _are_known(tensors):
        return "\n".join(lines) + "\n"
    lines.append("max_batch_size: 0")
    lines += _tensors("input", signature.inputs)
    lines += _tensors("output", signature.outputs)
    return "\n".join(lines) + "\n"


def _are_known(tensors: tuple[Tensor, ...]) -> bool:
    return bool(tensors) and all(tensor.dtype in DATATYPES and tensor.shape is not None for tensor in tensors)


def _tensors(kind: str, tensors: Iterable[Tensor]) -> list[str]:
    return [f"{kind} [", ",\n".join(_tensor(tensor) for tensor in tensors), "]"]


def _tensor(tensor: Tensor) -> str:
    shape = tuple(tensor.shape or ())
    dims = ", ".join(str(size if isinstance(size, int) else -1) for size in shape) or "1"
    reshape = "" if shape else "\n    reshape: { shape: [ ] }"  # a scalar
    return (
        f'  {{\n    name: "{_escaped(tensor.name)}"\n    data_type: {DATATYPES[tensor.dtype or ""]}\n'
        f"    dims: [ {dims} ]{reshape}\n  }}"
    )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
