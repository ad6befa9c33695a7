"""OpenVINO IR (versions 10 and 11): the XML file. Weights in the .bin file beside it are not read.

Follows docs.openvino.ai, "OpenVINO IR format".
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from kleverproto.signatures import Signature, Tensor
from modelfiles import recognition
from modelformats.errors import InvalidModelError
from modelformats.format import model_file, reading
from modelformats.parts import Part, check_parts, whole_bytes
from modelformats.weights import Weight, counted, named_type, newer_types, unknown_tensors
from modelformats.xml_documents import parse_xml

INPUT, OUTPUT, CONSTANT = "Parameter", "Result", "Const"
LARGEST = 2**62
SINK = "/sink_port_"
"""The text between the name of a result and its number in the name of its layer."""
COMMA = re.compile(r"(?<!\\),")
"""The separator between the names of a tensor; a comma in a name is escaped with a backslash."""

DTYPES = {
    **{f"f{bits}": f"float{bits}" for bits in (16, 32, 64)},
    **{f"i{bits}": f"int{bits}" for bits in (4, 8, 16, 32, 64)},
    **{f"u{bits}": f"uint{bits}" for bits in (1, 2, 3, 4, 6, 8, 16, 32, 64)},
    "bf16": "bfloat16",
    "f8e4m3": "float8_e4m3fn",
    "f8e5m2": "float8_e5m2",
    "f8e8m0": "float8_e8m0fnu",
    "f4e2m1": "float4_e2m1fn",
    "nf4": "nf4",
    "boolean": "bool",
    "bool": "bool",
    "bin": "uint1",
    "string": "str",
}
"""Element types to numpy; precisions of ports are the same in upper case, FP32 for f32, BOOL and BIN."""
ANY_TYPE = {"dynamic", "undefined", "unspecified", ""}
"""Values that mean any type, or no type."""


class OpenVino:
    """See `modelformats.format.Format`."""

    name = "OpenVINO"

    def detect(self, directory: Path) -> bool:
        """Detect one XML file whose root element is `net`."""
        return len(recognition.OPENVINO.alike(directory)) == 1

    def validate(self, directory: Path) -> None:
        """Check for an .xml file and the .bin file of the same name."""
        path = model_file(recognition.OPENVINO, directory)
        check_parts(path, [Part("its weights", path.with_suffix(".bin").name)])
        try:
            with reading(path, "OpenVINO IR"):
                root = parse_xml(path, "net")
        except InvalidModelError:
            return  # `extract` reports the problem
        check_parts(path, _constants(path, root))

    def extract(self, directory: Path) -> Signature:
        """Return parameters as inputs, results as outputs, and layers, also of bodies (If, Loop, TensorIterator)."""
        path = model_file(recognition.OPENVINO, directory)
        with reading(path, "OpenVINO IR"):
            root = parse_xml(path, "net")
            signature = _signature(root)
            check_parts(path, _constants(path, root))
            return signature


def _signature(root: Any) -> Signature:
    layers = root.findall("layers/layer")
    if not layers:
        raise InvalidModelError("the document contains no layers: it is damaged, or not OpenVINO IR")
    kinds = Counter(str(layer.get("type")) for layer in root.iterdescendants("layer"))
    for kind in (INPUT, OUTPUT, CONSTANT):
        del kinds[kind]
    ports = _output_ports(layers)
    sources = {(edge.get("to-layer")): (edge.get("from-layer"), edge.get("from-port")) for edge in _edges(root)}
    inputs = [_input(layer) for layer in layers if layer.get("type") == INPUT]
    outputs = [_output(layer, sources, ports) for layer in layers if layer.get("type") == OUTPUT]
    weights = list(_weights(root.iterdescendants("layer")))
    typed = ((end.name, end.written) for end in (*inputs, *outputs) if end.written not in ANY_TYPE)
    return Signature(
        inputs=tuple(map(_tensor, inputs)),
        outputs=tuple(map(_tensor, outputs)),
        operators=dict(sorted(kinds.items())),
        parameters=counted(weights),
        framework="OpenVINO",
        framework_version=_version(root),
        details={"ir_version": root.get("version")},
        unknown=unknown_tensors(DTYPES, typed) | newer_types(weights),
    )


class _End(NamedTuple):
    """An input or output."""

    name: str
    written: str
    """Its type in the file."""
    port: Any


def _tensor(end: _End) -> Tensor:
    return Tensor(name=end.name, dtype=DTYPES.get(end.written), shape=_shape(end.port))


def _edges(root: Any) -> list[Any]:
    return list(root.findall("edges/edge"))


def _output_ports(layers: Iterable[Any]) -> dict[tuple[str | None, str | None], Any]:
    return {(layer.get("id"), port.get("id")): port for layer in layers for port in layer.findall("output/port")}


def _input(layer: Any) -> _End:
    port, data = layer.find("output/port"), layer.find("data")
    names = port.get("names") if port is not None else None
    return _End(_name(layer, names), (_element_type(data) if data is not None else "") or _precision(port), port)


def _output(layer: Any, sources: Any, ports: Any) -> _End:
    """Describe an output. A result has the name of its source."""
    port, source = layer.find("input/port"), ports.get(sources.get(layer.get("id")))
    own = layer.get("output_names") or (source.get("names") if source is not None else None)
    return _End(_name(layer, own), _precision(port), port)


def _name(layer: Any, names: str | None) -> str:
    """Return the tensor's name that is also the name of its layer, without the number that layers of results have."""
    layer_name = str(layer.get("name"))
    own = layer_name.rpartition(SINK)[0] or layer_name
    several = [name.replace("\\,", ",") for name in COMMA.split(names or "") if name]
    return own if own in several else min(several, default=layer_name)


def _element_type(data: Any) -> str:
    return str(data.get("element_type") or "")


def _precision(port: Any) -> str:
    """Return the type of a port as an element type."""
    return str(port.get("precision") or "").lower().replace("fp", "f") if port is not None else ""


def _shape(port: Any) -> tuple[int, ...] | None:
    return tuple(int(dim.text) for dim in port.findall("dim")) if port is not None else None


def _constants(path: Path, root: Any) -> Iterator[Part]:
    """Yield the position of each constant in the file of weights."""
    for layer in root.iterdescendants("layer"):
        data = layer.find("data")
        if layer.get("type") == CONSTANT and data is not None and whole_bytes(data.get("size")):
            end = whole_bytes(data.get("offset")) + whole_bytes(data.get("size"))
            yield Part(f"the weights {layer.get('name')!r}", path.with_suffix(".bin").name, end)


def _weights(layers: Iterable[Any]) -> Iterator[Weight]:
    for layer in layers:
        data = layer.find("data")
        if layer.get("type") != CONSTANT or data is None:
            continue
        dims = [int(dim) for dim in str(data.get("shape") or "").split(",") if dim.strip()]
        size = int(data.get("size") or 0)
        if min([*dims, size, 0]) < 0 or size > LARGEST:
            raise InvalidModelError("a constant has an impossible size")
        yield Weight(named_type(DTYPES, _element_type(data)), dims, size)


def _version(root: Any) -> str | None:
    runtime_version = root.find("rt_info/Runtime_version")
    if runtime_version is not None:
        return str(runtime_version.get("value"))
    names = {info.get("name"): info.get("value") for info in root.findall("rt_info/info")}
    return names.get("OpenVINO Runtime")


OPENVINO = OpenVino()
