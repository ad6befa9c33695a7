"""ONNX: graphs, functions and the shapes of weights. Weights, in the file or beside it, are not read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kleverproto.signatures import NO_TENSOR, UNDECLARED_ELEMENTS, Signature, Tensor
from modelfiles import recognition
from modelformats.errors import InvalidModelError
from modelformats.format import model_file, reading
from modelformats.parts import check_parts
from modelformats.weights import newer_types, unknown_elements

from .onnx_messages import DTYPES, NEWEST_IR, NEWEST_OPSET, SCHEMA, SIZED_SCHEMA
from .onnx_weights import Contents, contents_of


class Onnx:
    """See `modelformats.format.Format`."""

    name = "ONNX"

    def detect(self, directory: Path) -> bool:
        """Detect a *.onnx file, or one file that begins as a ModelProto does and parses as one."""
        if recognition.ONNX.named(directory):
            return True
        alike = recognition.ONNX.alike(directory)
        return len(alike) == 1 and _readable(alike[0]) is not None

    def validate(self, directory: Path) -> None:
        """Check for one file, and for the files with its weights."""
        path = model_file(recognition.ONNX, directory)
        model = _readable(path)
        if model is not None:  # otherwise `extract` reports the problem
            with reading(path, "ONNX model"):
                check_parts(path, contents_of(model).external_parts())

    def extract(self, directory: Path) -> Signature:
        """Return inputs and outputs of the main graph, and operators of all graphs and functions."""
        path = model_file(recognition.ONNX, directory)
        with reading(path, "ONNX model"):
            model = _load(path)
            contents = contents_of(model)
            check_parts(path, contents.external_parts())
            if contents.needs_sizes():
                contents = contents_of(SIZED_SCHEMA.read(path))
            return _signature(model, contents)


def _readable(path: Path) -> Any:
    """Return the model; None if the file contains none."""
    try:
        with reading(path, "ONNX model"):
            return _load(path)
    except InvalidModelError:
        return None


def _load(path: Path) -> Any:
    model = SCHEMA.read(path)
    if not model.graph.output or not model.opset_import:
        # an empty file is a valid message of any protobuf type
        raise InvalidModelError(f"{path.name} has no graph: it is empty or not an ONNX model")
    return model


def _signature(model: Any, contents: Contents) -> Signature:
    initializers = {tensor.name for tensor in model.graph.initializer}
    return Signature(
        inputs=tuple(_tensor(value) for value in model.graph.input if value.name not in initializers),
        outputs=tuple(_tensor(value) for value in model.graph.output),
        operators=dict(sorted(contents.operators.items())),
        parameters=contents.parameters(),
        framework=model.producer_name or "ONNX",
        framework_version=model.producer_version or None,
        details={
            "ir_version": model.ir_version,
            "opset": {opset.domain or "ai.onnx": opset.version for opset in model.opset_import},
            "graph": model.graph.name,
        },
        unknown=_unknown(model) | newer_types(contents.measured()),
        warnings=(
            *(_uncarried(value) for value in model.graph.input if _kind(value) is not None),
            *_newer_versions(model),
        ),
    )


def _tensor(value: Any) -> Tensor:
    if _kind(value) is not None:
        return Tensor(name=value.name)
    tensor_type = value.type.tensor_type
    shape = tuple(_dimension(dim) for dim in tensor_type.shape.dim) if tensor_type.HasField("shape") else None
    return Tensor(name=value.name, dtype=DTYPES.get(tensor_type.elem_type), shape=shape)


def _kind(value: Any) -> str | None:
    """Return the kind of an input or output that is not a plain tensor; None for a plain tensor."""
    if value.type.HasField("sparse_tensor_type"):
        return "sparse tensor"
    return None if value.type.HasField("tensor_type") else "sequence, map or optional"


def _dimension(dim: Any) -> int | str:
    if dim.HasField("dim_value"):
        return int(dim.dim_value) if dim.dim_value >= 0 else -1
    return str(dim.dim_param) or -1


def _unknown(model: Any) -> dict[str, str]:
    reasons = {value.name: _open(value) for value in (*model.graph.input, *model.graph.output)}
    return {name: reason for name, reason in reasons.items() if reason}


def _open(value: Any) -> str | None:
    """Return the reason why the type of an input or output is unknown."""
    if kind := _kind(value):
        return f"{NO_TENSOR}{kind}, which has no dtype and shape of its own"
    elements = value.type.tensor_type.elem_type
    if not elements:
        return UNDECLARED_ELEMENTS
    return None if elements in DTYPES else unknown_elements(elements)


def _uncarried(value: Any) -> str:
    return (
        f"the input {value.name!r} is a {_kind(value)}, which the inference protocol lacks, so the model cannot "
        "be served: export it with plain tensors as inputs"
    )


def _newer_versions(model: Any) -> Iterator[str]:
    opset = max((entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}), default=0)
    for what, present, known in (("IR version", model.ir_version, NEWEST_IR), ("opset", opset, NEWEST_OPSET)):
        if present > known:
            yield (
                f"the model has the ONNX {what} {present}, newer than the {known} that this version of Klever knows, "
                "so converting and serving it may fail: export it with an older one"
            )


ONNX = Onnx()
