"""Triton's model repository (its model_configuration.md): names of files, and config.pbtxt from a signature; pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from kleverproto.signatures import Signature, Tensor


@dataclass(frozen=True)
class Platform:
    """What Triton calls a format, and the file that it looks for."""

    name: str
    file: str
    whole_directory: bool = False


PLATFORMS = {
    "ONNX": Platform("onnxruntime_onnx", "model.onnx"),
    "SavedModel": Platform("tensorflow_savedmodel", "model.savedmodel", whole_directory=True),
    "GraphDef": Platform("tensorflow_graphdef", "model.graphdef"),
    "TorchScript": Platform("pytorch_libtorch", "model.pt"),
    "TensorRT": Platform("tensorrt_plan", "model.plan"),
}

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
MAX_BATCH = 64
"""Requests that Triton may put together where every tensor begins with a dimension of any length."""


def config(name: str, platform: Platform, signature: Signature | None) -> str:
    """config.pbtxt. Tensors are left out where any is unknown: Triton then asks the model itself."""
    lines = [f'name: "{_escaped(name)}"', f'platform: "{platform.name}"']
    tensors = (*signature.inputs, *signature.outputs) if signature else ()
    if signature is None or not _are_known(tensors):
        return "\n".join(lines) + "\n"
    batched = all(_is_batched(tensor) for tensor in tensors)
    lines.append(f"max_batch_size: {MAX_BATCH if batched else 0}")
    lines += _tensors("input", signature.inputs, batched=batched)
    lines += _tensors("output", signature.outputs, batched=batched)
    if batched:
        lines.append("dynamic_batching { }")
    return "\n".join(lines) + "\n"


def _are_known(tensors: tuple[Tensor, ...]) -> bool:
    return bool(tensors) and all(tensor.dtype in DATATYPES and tensor.shape is not None for tensor in tensors)


def _is_batched(tensor: Tensor) -> bool:
    """Whether the first dimension has any length, and there is another one: Triton has no empty dims."""
    shape = tensor.shape or ()
    return len(shape) > 1 and (shape[0] == -1 or isinstance(shape[0], str))


def _tensors(kind: str, tensors: Iterable[Tensor], *, batched: bool) -> list[str]:
    return [f"{kind} [", ",\n".join(_tensor(tensor, batched=batched) for tensor in tensors), "]"]


def _tensor(tensor: Tensor, *, batched: bool) -> str:
    shape = tuple(tensor.shape or ())[1:] if batched else tuple(tensor.shape or ())
    dims = ", ".join(str(size if isinstance(size, int) else -1) for size in shape) or "1"
    reshape = "" if shape else "\n    reshape: { shape: [ ] }"  # a scalar
    return (
        f'  {{\n    name: "{_escaped(tensor.name)}"\n    data_type: {DATATYPES[tensor.dtype or ""]}\n'
        f"    dims: [ {dims} ]{reshape}\n  }}"
    )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
