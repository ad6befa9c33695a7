"""OpenVINO IR (versions 10 and 11): the XML file; weights stay in the .bin file beside it.

Follows docs.openvino.ai, "OpenVINO IR format".
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from math import prod
from pathlib import Path
from typing import Any

from kleverproto.signatures import Parameters, Signature, Tensor
from kleverserve import recognition
from modelformats.errors import InvalidModelError
from modelformats.format import model_file, reading
from modelformats.parts import Part, check_parts, whole_bytes
from modelformats.xml_documents import parse_xml

INPUT, OUTPUT, CONSTANT = "Parameter", "Result", "Const"
LARGEST = 2**62
SINK = "/sink_port_"
"""Between the name of a result and its number, in the name of its layer."""
COMMA = re.compile(r"(?<!\\),")
"""Between the names of a tensor; one in a name has a backslash before it."""

DTYPES = {
    **{f"f{bits}": f"float{bits}" for bits in (16, 32, 64)},
    **{f"i{bits}": f"int{bits}" for bits in (4, 8, 16, 32, 64)},
    **{f"u{bits}": f"uint{bits}" for bits in (1, 4, 8, 16, 32, 64)},
    "bf16": "bfloat16",
    "boolean": "bool",
    "string": "str",
}
"""Element types to numpy; precisions of ports are the same in upper case, FP32 for f32."""


class OpenVino:
    """See `modelformats.format.Format`."""

    name = "OpenVINO"

    def detect(self, directory: Path) -> bool:
        """One XML file whose root element is `net`."""
        return len(recognition.OPENVINO.alike(directory)) == 1

    def validate(self, directory: Path) -> None:
        """An .xml file and the .bin file of the same name."""
        path = model_file(recognition.OPENVINO, directory)
        check_parts(path, [Part("its weights", path.with_suffix(".bin").name)])
        try:
            with reading(path, "OpenVINO IR"):
                root = parse_xml(path, "net")
        except InvalidModelError:
            return  # `extract` says what is wrong with it
        check_parts(path, _constants(path, root))

    def extract(self, directory: Path) -> Signature:
        """Parameters in, results out; layers of bodies (If, Loop, TensorIterator) are operators, too."""
        path = model_file(recognition.OPENVINO, directory)
        with reading(path, "OpenVINO IR"):
            root = parse_xml(path, "net")
            signature = _signature(root)
            check_parts(path, _constants(path, root))
            return signature


def _signature(root: Any) -> Signature:
    layers = root.findall("layers/layer")
    if not layers:
        raise InvalidModelError("the document holds no layers: it is damaged, or not OpenVINO IR")
    kinds = Counter(str(layer.get("type")) for layer in root.iterdescendants("layer"))
    for kind in (INPUT, OUTPUT, CONSTANT):
        del kinds[kind]
    ports = _output_ports(layers)
    sources = {(edge.get("to-layer")): (edge.get("from-layer"), edge.get("from-port")) for edge in _edges(root)}
    return Signature(
        inputs=tuple(_input(layer) for layer in layers if layer.get("type") == INPUT),
        outputs=tuple(_output(layer, sources, ports) for layer in layers if layer.get("type") == OUTPUT),
        operators=dict(sorted(kinds.items())),
        parameters=_parameters(root.iterdescendants("layer")),
        framework="OpenVINO",
        framework_version=_version(root),
        details={"ir_version": root.get("version")},
    )


def _edges(root: Any) -> list[Any]:
    return list(root.findall("edges/edge"))


def _output_ports(layers: Iterable[Any]) -> dict[tuple[str | None, str | None], Any]:
    return {(layer.get("id"), port.get("id")): port for layer in layers for port in layer.findall("output/port")}


def _input(layer: Any) -> Tensor:
    port, data = layer.find("output/port"), layer.find("data")
    dtype = DTYPES.get(str(data.get("element_type"))) if data is not None else None
    names = port.get("names") if port is not None else None
    return Tensor(name=_name(layer, names), dtype=dtype or _dtype(port), shape=_shape(port))


def _output(layer: Any, sources: Any, ports: Any) -> Tensor:
    """A result is called as what it is the result of."""
    port, source = layer.find("input/port"), ports.get(sources.get(layer.get("id")))
    own = layer.get("output_names") or (source.get("names") if source is not None else None)
    return Tensor(name=_name(layer, own), dtype=_dtype(port), shape=_shape(port))


def _name(layer: Any, names: str | None) -> str:
    """Of several names of a tensor, the one that its layer has too; a result's layer has it with a number."""
    layer_name = str(layer.get("name"))
    own = layer_name.rpartition(SINK)[0] or layer_name
    several = [name.replace("\\,", ",") for name in COMMA.split(names or "") if name]
    return own if own in several else min(several, default=layer_name)


def _dtype(port: Any) -> str | None:
    if port is None:
        return None
    return DTYPES.get(str(port.get("precision") or "").lower().replace("fp", "f"))


def _shape(port: Any) -> tuple[int, ...] | None:
    return tuple(int(dim.text) for dim in port.findall("dim")) if port is not None else None


def _constants(path: Path, root: Any) -> Iterator[Part]:
    """Where each constant is in the file of weights."""
    for layer in root.iterdescendants("layer"):
        data = layer.find("data")
        if layer.get("type") == CONSTANT and data is not None and whole_bytes(data.get("size")):
            end = whole_bytes(data.get("offset")) + whole_bytes(data.get("size"))
            yield Part(f"the weights {layer.get('name')!r}", path.with_suffix(".bin").name, end)


def _parameters(layers: Iterable[Any]) -> Parameters:
    count, sizes = 0, Counter[str]()
    for layer in layers:
        data = layer.find("data")
        if layer.get("type") != CONSTANT or data is None:
            continue
        dims = [int(dim) for dim in str(data.get("shape") or "").split(",") if dim.strip()]
        elements, size = prod(dims), int(data.get("size") or 0)
        if min([*dims, size, 0]) < 0 or max(elements, size) > LARGEST:
            raise InvalidModelError("a constant has an impossible size")
        count += elements
        kind = str(data.get("element_type"))
        sizes[DTYPES.get(kind, kind)] += size
    return Parameters(count=count, bytes_by_dtype=dict(sorted(sizes.items())))


def _version(root: Any) -> str | None:
    said = root.find("rt_info/Runtime_version")
    if said is not None:
        return str(said.get("value"))
    names = {info.get("name"): info.get("value") for info in root.findall("rt_info/info")}
    return names.get("OpenVINO Runtime")


OPENVINO = OpenVino()
