"""TensorFlow Lite models (schema version 3): the FlatBuffer of schema.fbs, read in place without its buffers."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kleverproto.signatures import NO_TENSOR, Signature, Tensor
from modelfiles import recognition
from modelfiles.flatbuffers import Buffer, Table
from modelformats.errors import InvalidModelError
from modelformats.format import model_file, reading
from modelformats.weights import Weight, counted, named_type, newer_types, unknown_tensors

from .tflite_names import BUILTINS, CUSTOM, DTYPES, HANDLES

RUNTIME = "min_runtime_version"

# Fields are numbered by their order in schema.fbs.
VERSION, CODES, GRAPHS, DESCRIPTION, BUFFERS, METADATA, SIGNATURES = 0, 1, 2, 3, 4, 6, 7  # Model
OLD_CODE, CUSTOM_CODE, CODE = 0, 1, 3  # OperatorCode
TENSORS, INPUTS, OUTPUTS, OPERATORS = 0, 1, 2, 3  # SubGraph
SHAPE, TYPE, BUFFER, NAME, DECLARED_SHAPE = 0, 1, 2, 3, 7  # Tensor
DATA, OFFSET, SIZE = 0, 1, 2  # Buffer
KEY, SUBGRAPH = 2, 4  # SignatureDef, whose inputs and outputs are 0 and 1: TensorMap, a name and an index


class TFLite:
    """See `modelformats.format.Format`."""

    name = "TFLite"

    def detect(self, directory: Path) -> bool:
        """Detect a *.tflite file, or one file with the identifier of the format."""
        return recognition.TFLITE.is_followed(directory)

    def validate(self, directory: Path) -> None:
        """Check for one model file."""
        model_file(recognition.TFLITE, directory)

    def extract(self, directory: Path) -> Signature:
        """Return inputs and outputs of the main graph, and operators and constants of all graphs."""
        path = model_file(recognition.TFLITE, directory)
        with reading(path, "TensorFlow Lite model"), path.open("rb") as file:
            if not recognition.is_tflite(path):
                raise InvalidModelError(f"{path.name} does not begin as TensorFlow Lite models do: convert it again")
            return _signature(Buffer(file).root())


def _signature(model: Table) -> Signature:
    graphs = model.tables(GRAPHS)
    if not graphs:
        raise InvalidModelError("the model has no graph")
    tensors = [graph.tables(TENSORS) for graph in graphs]
    buffers = model.tables(BUFFERS)
    sizes = {index: _stored(data) for index, data in enumerate(buffers)}
    constants = {tensor.number(BUFFER, "<I"): tensor for each in tensors for tensor in each}
    weights = [_weight(tensor, size) for index, tensor in constants.items() if (size := sizes.get(index))]
    inputs, outputs = (_chosen(tensors[0], graphs[0].numbers(field)) for field in (INPUTS, OUTPUTS))
    return Signature(
        inputs=tuple(map(_tensor, inputs)),
        outputs=tuple(map(_tensor, outputs)),
        operators=dict(sorted(Counter(_operators(model, graphs)).items())),
        parameters=counted(weights),
        framework="TensorFlow Lite",
        details={
            "schema_version": model.number(VERSION, "<I"),
            "description": model.text(DESCRIPTION),
            "signatures": _signatures(model, tensors),
            "subgraphs": len(graphs),
        }
        | _runtime(model, buffers),
        unknown={
            "framework_version": "the file contains the oldest runtime that can run it, not the version that wrote it"
        }
        | _untyped([*inputs, *outputs])
        | newer_types(weights),
    )


def _stored(buffer: Table) -> int:
    """Return the size of a buffer, which is after the model if it is large; 0 if it has none."""
    return buffer.length(DATA) or (buffer.number(SIZE, "<Q") if buffer.number(OFFSET, "<Q") > 1 else 0)


def _weight(tensor: Table, size: int) -> Weight:
    kind = tensor.number(TYPE, "<b")
    return Weight(named_type(DTYPES, kind), tensor.numbers(SHAPE), None if kind in DTYPES else size)


def _chosen(tensors: list[Table], indices: tuple[int, ...]) -> list[Table]:
    """Return the selected tensors. A negative index means an omitted tensor."""
    return [tensors[index] for index in indices if index >= 0]


def _untyped(tensors: list[Table]) -> dict[str, str]:
    """Map inputs and outputs without a type to the reason."""
    kinds = [(tensor.text(NAME), tensor.number(TYPE, "<b")) for tensor in tensors]
    handles = {name: f"{NO_TENSOR}{HANDLES[kind]}" for name, kind in kinds if kind in HANDLES}
    return unknown_tensors(DTYPES, kinds) | handles


def _tensor(tensor: Table) -> Tensor:
    shape = tensor.numbers(DECLARED_SHAPE) or tensor.numbers(SHAPE)
    return Tensor(name=tensor.text(NAME), dtype=DTYPES.get(tensor.number(TYPE, "<b")), shape=shape)


def _operators(model: Table, graphs: list[Table]) -> Iterator[str]:
    names = [_operator(code) for code in model.tables(CODES)]
    for graph in graphs:
        for operator in graph.tables(OPERATORS):
            yield names[operator.number(0, "<I")]


def _operator(code: Table) -> str:
    """Return the name of an operator. Its number has outgrown the byte in the first schema."""
    number = max(code.number(OLD_CODE, "<b"), code.number(CODE, "<i"))
    if number == CUSTOM:
        return code.text(CUSTOM_CODE) or "CUSTOM"
    return BUILTINS[number] if 0 <= number < len(BUILTINS) else f"BUILTIN_{number}"


def _signatures(model: Table, tensors: list[list[Table]]) -> dict[str, Any]:
    """Map the author's names to the names of tensors."""
    signatures = {}
    for signature in model.tables(SIGNATURES):
        graph = tensors[signature.number(SUBGRAPH, "<I")]
        signatures[signature.text(KEY)] = {
            side: {entry.text(0): graph[entry.number(1, "<I")].text(NAME) for entry in signature.tables(field)}
            for field, side in enumerate(("inputs", "outputs"))
        }
    return signatures


def _runtime(model: Table, buffers: list[Table]) -> dict[str, str]:
    entries = {entry.text(0): entry.number(1, "<I") for entry in model.tables(METADATA)}
    if RUNTIME not in entries:
        return {}
    return {RUNTIME: buffers[entries[RUNTIME]].content(DATA).rstrip(b"\0").decode()}


TFLITE = TFLite()
