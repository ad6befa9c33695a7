"""PyTorch exported programs (.pt2): a zip with the graph as JSON.

The schema is that of torch/_export/serde/schema.py (major versions 1 to 8), in models/*.json or, before PyTorch 2.9, in
serialized_exported_program.json.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from kleverproto.signatures import Signature, Tensor
from kleverserve import recognition
from modelformats.errors import InvalidModelError
from modelformats.format import model_file, reading
from modelformats.plain import listed, table, text
from modelformats.weights import counted
from modelformats.zips import read_member

JSON_LIMIT = 128 * 1024**2
SYMBOL = re.compile(r"Symbol\('(\w+)'[^()]*\)|([A-Za-z_]\w*)")
"""A size of its own; sums and products of such sizes are any size."""
DEEPEST = 50
DTYPES = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    10: "complex64",
    11: "complex128",
    12: "bool",
    13: "bfloat16",
    28: "uint16",
    29: "float8_e4m3fn",
    30: "float8_e5m2",
    31: "float8_e4m3fnuz",
    32: "float8_e5m2fnuz",
}
"""ScalarType of the schema."""
SCALARS = {"as_int": "int64", "as_float": "float64", "as_bool": "bool", "as_string": "str", "as_sym_int": "int64"}
WEIGHTS = ("parameter", "buffer", "tensor_constant")


class ExportedProgram:
    """See `modelformats.format.Format`."""

    name = "ExportedProgram"

    def detect(self, directory: Path) -> bool:
        """A *.pt2 file, or one zip with such a graph."""
        return recognition.EXPORTED_PROGRAM.is_followed(directory)

    def validate(self, directory: Path) -> None:
        """One such file."""
        model_file(recognition.EXPORTED_PROGRAM, directory)

    def extract(self, directory: Path) -> Signature:
        """What the user gives and gets; operators of all graphs; weights by the shapes of their values."""
        path = model_file(recognition.EXPORTED_PROGRAM, directory)
        with reading(path, "exported program"), ZipFile(path) as archive:
            names = [name for name in archive.namelist() if recognition.EXPORTED_GRAPH.fullmatch(name)]
            if len(names) != 1:
                raise InvalidModelError(f"{path.name} has {len(names)} graphs, not one: save it with torch.export.save")
            return _signature(json.loads(read_member(archive, names[0], JSON_LIMIT)))


def _signature(program: Any) -> Signature:
    graph, told = table(program, "graph_module", "graph"), table(program, "graph_module", "signature")
    if not listed(graph.get("nodes")):
        raise ValueError("it has no graph")
    values, version = table(graph, "tensor_values"), table(program, "schema_version")
    inputs = listed(told.get("input_specs"))
    return Signature(
        inputs=tuple(_specified(inputs, values)),
        outputs=tuple(
            {tensor.name: tensor for tensor in _specified(listed(told.get("output_specs")), values)}.values()
        ),
        operators=dict(sorted(Counter(_operators(graph)).items())),
        parameters=counted((tensor.dtype, _fixed(tensor)) for tensor in _weights(inputs, values)),
        framework="PyTorch",
        framework_version=text(program.get("torch_version")),
        details={
            "schema_version": ".".join(str(version.get(part)) for part in ("major", "minor")),
            "aten": table(program, "opset_version").get("aten"),
            "ranges": {name: table(program, "range_constraints", name) for name in table(program, "range_constraints")},
        },
        unknown={}
        if text(program.get("torch_version"))
        else {"framework_version": "files of old versions do not tell"},
    )


def _specified(specs: list[Any], values: dict[str, Any]) -> Iterator[Tensor]:
    """What the user gives, or gets."""
    for spec in specs:
        argument = table(spec, "user_input", "arg") or table(spec, "user_output", "arg")
        name = text(table(argument, "as_tensor").get("name"))
        if name is not None:
            yield _tensor(name, values)
        elif kind := next((kind for kind in SCALARS if kind in argument), None):
            yield Tensor(name=text(table(argument, kind).get("as_name")) or kind, dtype=SCALARS[kind], shape=())


def _weights(specs: list[Any], values: dict[str, Any]) -> Iterator[Tensor]:
    for spec in specs:
        for kind in WEIGHTS:
            if (name := text(table(spec, kind, "arg").get("name"))) is not None:
                yield _tensor(name, values)


def _tensor(name: str, values: dict[str, Any]) -> Tensor:
    value = table(values, name)
    return Tensor(
        name=name, dtype=DTYPES.get(_whole(value.get("dtype"))), shape=tuple(map(_size, listed(value.get("sizes"))))
    )


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else -1


def _size(said: Any) -> int | str:
    number = table(said).get("as_int")
    if isinstance(number, int):
        return number
    found = SYMBOL.fullmatch(str(table(said, "as_expr").get("expr_str")))
    return (found[1] or found[2]) if found else -1


def _fixed(tensor: Tensor) -> list[int]:
    return [size if isinstance(size, int) else 0 for size in tensor.shape or ()]


def _operators(graph: Any, depth: int = 0) -> Iterator[str]:
    """The targets of calls, without `torch.ops` and the overload; graphs in branches and loops included."""
    if depth > DEEPEST:
        raise ValueError(f"its graphs nest more than {DEEPEST} deep")
    for node in listed(graph.get("nodes")):
        target = text(table(node).get("target")) or ""
        yield target.removeprefix("torch.ops.").removesuffix(".default")
        for argument in listed(table(node).get("inputs")):
            inner = table(argument, "arg", "as_graph", "graph")
            if inner:
                yield from _operators(inner, depth + 1)


EXPORTED_PROGRAM = ExportedProgram()
