"""ONNX (onnx.proto, IR version 3 to 11): the `onnx` package's messages, weights beside the file left unread."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kleverproto.signatures import Parameters, Signature, Tensor
from modelformats.errors import InvalidModelError
from modelformats.format import files_matching, head, reading, single_file

PATTERN = "*.onnx"
MAX_ELEMENTS = 2**48
IR_VERSION_TAG = 0x08
SNIFFED = (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42)
"""Tags that may follow `ir_version` in a ModelProto: producer, domain, version, doc, graph, opset."""


class Onnx:
    """See `modelformats.format.Format`."""

    name = "ONNX"

    def detect(self, directory: Path) -> bool:
        """A *.onnx file, or one file that begins as a ModelProto does and parses as one."""
        if files_matching(directory, PATTERN):
            return True
        candidates = [path for path in files_matching(directory, "*") if _looks_like(head(path, 4))]
        return len(candidates) == 1 and _parses(candidates[0])

    def validate(self, directory: Path) -> None:
        """One *.onnx file."""
        single_file(directory, PATTERN)

    def extract(self, directory: Path) -> Signature:
        """Inputs and outputs of the main graph, operators of all graphs and functions."""
        path = single_file(directory, PATTERN)
        with reading(path, "ONNX model"):
            model = _load(path)
            return _signature(model)


def _looks_like(start: bytes) -> bool:
    return len(start) >= 3 and start[0] == IR_VERSION_TAG and 1 <= start[1] <= 32 and start[2] in SNIFFED  # noqa: PLR2004


def _parses(path: Path) -> bool:
    try:
        with reading(path, "ONNX model"):
            _load(path)
    except InvalidModelError:
        return False
    return True


def _load(path: Path) -> Any:
    import onnx  # noqa: PLC0415 - 0.2 s that only ONNX models need

    model = onnx.load(str(path), load_external_data=False)
    if not model.graph.output or not model.opset_import:
        # An empty file parses as every protobuf message.
        raise InvalidModelError(f"{path.name} has no graph: it is empty or not an ONNX model")
    return model


def _signature(model: Any) -> Signature:
    initializers = {tensor.name for tensor in model.graph.initializer}
    return Signature(
        inputs=tuple(_tensor(value) for value in model.graph.input if value.name not in initializers),
        outputs=tuple(_tensor(value) for value in model.graph.output),
        operators=dict(sorted(Counter(_operators(model)).items())),
        parameters=_parameters(model),
        framework=model.producer_name or "ONNX",
        framework_version=model.producer_version or None,
        details={
            "ir_version": model.ir_version,
            "opset": {_text(opset.domain) or "ai.onnx": opset.version for opset in model.opset_import},
            "graph": _text(model.graph.name),
        },
        unknown=_unknown(model),
    )


def _text(value: str | bytes) -> str:
    """Protobuf gives text that is no UTF-8 as bytes."""
    if isinstance(value, bytes):
        raise InvalidModelError(f"the name {value[:100]!r} in the model is not UTF-8")
    return value


def _tensor(value: Any) -> Tensor:
    kind = value.type.WhichOneof("value")
    if kind not in {"tensor_type", "sparse_tensor_type"}:
        return Tensor(name=value.name)
    found = getattr(value.type, kind)
    shape = tuple(_dimension(dim) for dim in found.shape.dim) if found.HasField("shape") else None
    return Tensor(name=value.name, dtype=_dtype(found.elem_type), shape=shape)


def _dimension(dim: Any) -> int | str:
    if dim.HasField("dim_value"):
        return int(dim.dim_value) if dim.dim_value >= 0 else -1
    return str(dim.dim_param) or -1


def _dtype(elem_type: int) -> str | None:
    import onnx  # noqa: PLC0415 - see _load

    if elem_type == onnx.TensorProto.STRING:
        return "str"
    try:
        return str(onnx.helper.tensor_dtype_to_np_dtype(elem_type).name)
    except (KeyError, ValueError):
        return None


def _unknown(model: Any) -> dict[str, str]:
    odd = [
        value.name
        for value in (*model.graph.input, *model.graph.output)
        if value.type.WhichOneof("value") not in {"tensor_type", "sparse_tensor_type"}
    ]
    reason = "not a tensor but a sequence, map or optional, which has no dtype and shape of its own"
    return dict.fromkeys(odd, reason)


def _operators(model: Any) -> Iterator[str]:
    yield from _in_nodes(model.graph.node)
    for function in model.functions:
        yield from _in_nodes(function.node)


def _in_nodes(nodes: Any) -> Iterator[str]:
    """As deep as protobuf lets messages be nested, which is 100."""
    for node in nodes:
        yield node.op_type
        for attribute in node.attribute:
            for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _in_nodes(graph.node)


def _parameters(model: Any) -> Parameters:
    count, by_dtype = 0, Counter[str]()
    for tensor in model.graph.initializer:
        elements = _elements(tensor)
        dtype = _dtype(tensor.data_type) or "unknown"
        count += elements
        by_dtype[dtype] += elements * _itemsize(dtype)
    return Parameters(count=count, bytes_by_dtype=dict(by_dtype))


def _elements(tensor: Any) -> int:
    """The product of the dimensions, as long as it is one that a tensor can have."""
    elements = 1
    for size in tensor.dims:
        elements *= size
        if not 0 <= elements <= MAX_ELEMENTS:
            raise InvalidModelError(f"the initializer {tensor.name[:100]!r} has impossible dimensions")
    return elements


def _itemsize(dtype: str) -> int:
    import numpy as np  # noqa: PLC0415 - onnx has imported it

    try:
        return np.dtype(dtype).itemsize
    except TypeError:
        return 1


ONNX = Onnx()
