"""PyTorch exported programs (.pt2): a zip with the graph as JSON.

The schema is that of torch/_export/serde/schema.py (major versions 1 to 8), in models/*.json or, before PyTorch 2.9, in
serialized_exported_program.json.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from kleverproto.signatures import UNDECLARED_ELEMENTS, Signature, Tensor
from modelfiles import recognition
from modelfiles.zips import read_member
from modelformats.errors import InvalidModelError
from modelformats.format import model_file, reading
from modelformats.plain import listed, table, text
from modelformats.torch_archives import byte_order, member_sizes
from modelformats.weights import Weight, counted, named_type, newer_types, unknown_elements

CONFIG = re.compile(r"(?:[^/]+/)?data/(?:weights/model_weights|constants/model_constants)_config\.json")
"""Members that describe where weights are."""
JSON_LIMIT = 128 * 1024**2
SYMBOL = re.compile(r"Symbol\('(\w+)'[^()]*\)|([A-Za-z_]\w*)")
"""A symbolic size; sums and products of symbols are any size."""
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
    9: "complex32",
    10: "complex64",
    11: "complex128",
    12: "bool",
    13: "bfloat16",
    28: "uint16",
    29: "float8_e4m3fn",
    30: "float8_e5m2",
    31: "float8_e4m3fnuz",
    32: "float8_e5m2fnuz",
    33: "float8_e8m0fnu",
    34: "uint32",
    35: "uint64",
}
"""ScalarType of the schema."""
SCALARS = {"as_int": "int64", "as_float": "float64", "as_bool": "bool", "as_string": "str", "as_sym_int": "int64"}
WEIGHTS = ("parameter", "buffer", "tensor_constant")


class ExportedProgram:
    """See `modelformats.format.Format`."""

    name = "ExportedProgram"

    def detect(self, directory: Path) -> bool:
        """Detect a *.pt2 file, or one zip with such a graph."""
        return recognition.EXPORTED_PROGRAM.is_followed(directory)

    def validate(self, directory: Path) -> None:
        """Check for one such file."""
        model_file(recognition.EXPORTED_PROGRAM, directory)

    def extract(self, directory: Path) -> Signature:
        """Return inputs and outputs of the user, operators of all graphs, and weights by their shapes."""
        path = model_file(recognition.EXPORTED_PROGRAM, directory)
        with reading(path, "exported program"), ZipFile(path) as archive:
            names = [name for name in archive.namelist() if recognition.EXPORTED_GRAPH.fullmatch(name)]
            if len(names) != 1:
                raise InvalidModelError(f"{path.name} has {len(names)} graphs, not one: save it with torch.export.save")
            program = json.loads(read_member(archive, names[0], JSON_LIMIT))
            return _signature(program, lambda: _stored(archive), byte_order(archive))


def _stored(archive: ZipFile) -> dict[str, int]:
    """Map names of weights to their sizes in bytes, for archives since PyTorch 2.9."""
    sizes = dict[str, int]()
    for config in (name for name in archive.namelist() if CONFIG.fullmatch(name)):
        stored = member_sizes(archive, config.rpartition("/")[0] + "/")
        entries = table(json.loads(read_member(archive, config, JSON_LIMIT)), "config")
        places = {name: text(table(entry).get("path_name")) for name, entry in entries.items()}
        sizes |= {name: stored[place] for name, place in places.items() if place is not None and place in stored}
    return sizes


def _signature(program: Any, stored: Callable[[], Mapping[str, int]], order: str | None) -> Signature:
    """Return the signature.

    `stored` returns sizes of weights and is called only if types do not give them; `order` is the byte order.
    """
    graph, described = table(program, "graph_module", "graph"), table(program, "graph_module", "signature")
    if not listed(graph.get("nodes")):
        raise ValueError("it has no graph")
    values, version = table(graph, "tensor_values"), table(program, "schema_version")
    specs = listed(described.get("input_specs"))
    inputs = tuple(_specified(specs, values))
    outputs = {tensor.name: tensor for tensor in _specified(listed(described.get("output_specs")), values)}.values()
    weights = list(_weights(specs, values, {}))
    if newer_types(weights):
        weights = list(_weights(specs, values, stored()))
    return Signature(
        inputs=inputs,
        outputs=tuple(outputs),
        operators=dict(sorted(Counter(_operators(graph)).items())),
        parameters=counted(weights),
        framework="PyTorch",
        framework_version=text(program.get("torch_version")),
        details={
            "schema_version": ".".join(str(version.get(part)) for part in ("major", "minor")),
            "aten": table(program, "opset_version").get("aten"),
            "byte_order": order,
            "ranges": {name: table(program, "range_constraints", name) for name in table(program, "range_constraints")},
        },
        unknown=_unknown(program) | _untyped((*inputs, *outputs), values) | newer_types(weights),
    )


def _unknown(program: Any) -> dict[str, str]:
    if text(program.get("torch_version")):
        return {}
    return {"framework_version": "files of old versions do not name the version of PyTorch that wrote them"}


def _untyped(tensors: tuple[Tensor, ...], values: dict[str, Any]) -> dict[str, str]:
    """Map inputs and outputs without a type to the reason."""
    numbers = {tensor.name: _dtype(table(values, tensor.name)) for tensor in tensors if tensor.dtype is None}
    return {name: unknown_elements(number) if number > 0 else UNDECLARED_ELEMENTS for name, number in numbers.items()}


def _specified(specs: list[Any], values: dict[str, Any]) -> Iterator[Tensor]:
    """Yield the inputs or outputs of the user."""
    for spec in specs:
        argument = table(spec, "user_input", "arg") or table(spec, "user_output", "arg")
        name = text(table(argument, "as_tensor").get("name"))
        if name is not None:
            yield _tensor(name, values)
        elif kind := next((kind for kind in SCALARS if kind in argument), None):
            yield Tensor(name=text(table(argument, kind).get("as_name")) or kind, dtype=SCALARS[kind], shape=())


def _weights(specs: list[Any], values: dict[str, Any], sizes: Mapping[str, int]) -> Iterator[Weight]:
    for spec in specs:
        for kind in WEIGHTS:
            if (name := text(table(spec, kind, "arg").get("name"))) is not None:
                tensor, number = _tensor(name, values), _dtype(table(values, name))
                own = text(table(spec, kind).get(f"{kind}_name")) or ""
                yield Weight(named_type(DTYPES, number), _fixed(tensor), None if tensor.dtype else sizes.get(own))


def _tensor(name: str, values: dict[str, Any]) -> Tensor:
    value = table(values, name)
    return Tensor(name=name, dtype=DTYPES.get(_dtype(value)), shape=tuple(map(_size, listed(value.get("sizes")))))


def _dtype(value: dict[str, Any]) -> int:
    number = value.get("dtype")
    return number if isinstance(number, int) else 0


def _size(size: Any) -> int | str:
    number = table(size).get("as_int")
    if isinstance(number, int):
        return number
    match = SYMBOL.fullmatch(str(table(size, "as_expr").get("expr_str")))
    return (match[1] or match[2]) if match else -1


def _fixed(tensor: Tensor) -> list[int]:
    return [size if isinstance(size, int) else 0 for size in tensor.shape or ()]


def _operators(graph: Any, depth: int = 0) -> Iterator[str]:
    """Yield the targets of calls, without `torch.ops` and the overload, including graphs in branches and loops."""
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
