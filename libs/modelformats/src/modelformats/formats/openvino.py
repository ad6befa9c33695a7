"""OpenVINO IR (docs.openvino.ai, "Operation Sets and IR"): the .xml; the weights in the .bin are counted, not read."""

from codecs import BOM_UTF8
from collections import Counter
from math import prod
from pathlib import Path
from typing import Any

from kleverproto.signatures import Parameters, Signature, Tensor
from modelformats.errors import InvalidModelError
from modelformats.format import files_matching, head, reading
from modelformats.plain import text, whole

SNIFF = 4096
XML_LIMIT = 64 * 1024 * 1024
DIGITS = 18
DTYPES = {
    "f16": "float16",
    "fp16": "float16",
    "f32": "float32",
    "fp32": "float32",
    "f64": "float64",
    "fp64": "float64",
    "bf16": "bfloat16",
    "boolean": "bool",
    "bool": "bool",
    "string": "str",
} | {f"{short}{bits}": f"{kind}{bits}" for short, kind in (("i", "int"), ("u", "uint")) for bits in (4, 8, 16, 32, 64)}
"""Element types and the precisions of ports, in small letters, to numpy's."""
NO_OPERATORS = {"Parameter", "Const", "Result", "Input"}


class OpenVino:
    """See `modelformats.format.Format`."""

    name = "OpenVINO"

    def detect(self, directory: Path) -> bool:
        """One *.xml file that begins as a network."""
        return len(_candidates(directory)) == 1

    def validate(self, directory: Path) -> None:
        """One *.xml file with a *.bin of the same name beside it."""
        weights = _file(directory).with_suffix(".bin")
        if not weights.is_file():
            raise InvalidModelError(f"expected {weights.name} beside the .xml in {directory}, found none")

    def extract(self, directory: Path) -> Signature:
        """Parameters in, results out; layers counted, those of bodies too."""
        path = _file(directory)
        with reading(path, "OpenVINO IR"):
            return _signature(_root(path))


def _candidates(directory: Path) -> list[Path]:
    return [path for path in files_matching(directory, "*.xml") if _looks_like(head(path, SNIFF))]


def _file(directory: Path) -> Path:
    found = _candidates(directory) or files_matching(directory, "*.xml")
    if len(found) != 1:
        raise InvalidModelError(f"expected one *.xml file in {directory}, found {len(found)}")
    return found[0]


def _looks_like(start: bytes) -> bool:
    return start.removeprefix(BOM_UTF8).lstrip().startswith(b"<") and b"<net " in start and b"<layers" in start


def _root(path: Path) -> Any:
    from lxml import etree  # noqa: PLC0415 - a short command mostly needs no XML

    if path.stat().st_size > XML_LIMIT:
        raise InvalidModelError(f"{path.name} is larger than {XML_LIMIT >> 20} MB, which no IR is")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    with path.open("rb") as file:  # given a name, libxml2 would unpack what is compressed
        tree = etree.parse(file, parser)
    if tree.docinfo.internalDTD is not None:
        raise InvalidModelError(f"{path.name} declares a DTD, which an IR does not need: remove it")
    root = tree.getroot()
    if root.tag != "net" or root.find("layers") is None:
        raise InvalidModelError(f"{path.name} is XML but no <net> with <layers>")
    return root


def _signature(root: Any) -> Signature:
    layers = list(root.iterfind("layers/layer"))
    everywhere = list(root.iter("layer"))
    said = root.find("rt_info/info[@name='OpenVINO Runtime']")
    version = said.get("value") if said is not None else None
    sources = {_edge(edge, "to"): _edge(edge, "from") for edge in root.iterfind("edges/edge")}
    ports = {(a.get("id"), port.get("id")): (a, port) for a in layers for port in a.iterfind("output/port")}
    results = [layer for layer in layers if layer.get("type") == "Result"]
    outputs = tuple(_result(layer, sources, ports) for layer in results)
    return Signature(
        inputs=tuple(_parameter(layer) for layer in layers if layer.get("type") in {"Parameter", "Input"}),
        outputs=outputs,
        operators=_operators(everywhere),
        parameters=_parameters(everywhere),
        framework="OpenVINO",
        framework_version=text(version.partition("-")[0]) if version else None,
        details={"name": text(root.get("name")), "ir_version": text(root.get("version"))},
        unknown={} if outputs else {"outputs": "the IR is of a version before 10, which does not mark its results"},
    )


def _edge(edge: Any, end: str) -> tuple[str | None, str | None]:
    return edge.get(f"{end}-layer"), edge.get(f"{end}-port")


def _parameter(layer: Any) -> Tensor:
    port = layer.find("output/port")
    data = layer.find("data")
    declared = data.get("shape") if data is not None else None
    shape = _dims(port) if declared is None else _shape(declared)
    return Tensor(name=_name(layer, port), dtype=_dtype(port), shape=shape)


def _result(layer: Any, sources: dict[Any, Any], ports: dict[Any, Any]) -> Tensor:
    """An output has the name and type of the port that leads to it."""
    port = layer.find("input/port")
    source, produced = ports.get(sources.get((layer.get("id"), _id(port))), (layer, port))
    return Tensor(name=_name(source, produced), dtype=_dtype(produced), shape=_dims(produced))


def _id(port: Any) -> str | None:
    return port.get("id") if port is not None else None


def _name(layer: Any, port: Any) -> str:
    names = (port.get("names") if port is not None else None) or layer.get("name")
    return text(names.split(",")[0]) or "" if names else ""


def _dtype(port: Any) -> str | None:
    return DTYPES.get((port.get("precision") or "").lower()) if port is not None else None


def _dims(port: Any) -> tuple[int, ...] | None:
    return None if port is None else tuple(_dim(dim.text or "") for dim in port.iterfind("dim"))


def _shape(declared: str) -> tuple[int, ...] | None:
    """As the layer writes it: `?` is any size, `1..8` a range, `...` any rank, nothing a scalar."""
    if declared.strip() == "...":
        return None
    return tuple(_dim(dim) for dim in declared.split(",")) if declared.strip() else ()


def _dim(written: str) -> int:
    size = whole(written.strip())
    return -1 if size is None else size


def _operators(layers: list[Any]) -> dict[str, int]:
    kinds = (text(layer.get("type")) for layer in layers)
    return dict(sorted(Counter(kind for kind in kinds if kind and kind not in NO_OPERATORS).items()))


def _parameters(layers: list[Any]) -> Parameters:
    count, sizes = 0, Counter[str]()
    for data in (layer.find("data") for layer in layers if layer.get("type") == "Const"):
        if data is None or not (data.get("size") or "").isdecimal() or len(data.get("size")) > DIGITS:
            continue
        kind = data.get("element_type") or ""
        sizes[DTYPES.get(kind, text(kind) or "unknown")] += int(data.get("size"))
        count += max(prod(_shape(data.get("shape") or "") or ()), 0)
    return Parameters(count=count, bytes_by_dtype=dict(sorted(sizes.items())))


OPENVINO = OpenVino()
