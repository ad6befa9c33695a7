"""Caffe models: the network in a prototxt, the weights in a caffemodel; both generations of layers.

Field numbers follow caffe/src/caffe/proto/caffe.proto (BVLC).
"""

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kleverproto.signatures import Parameters, Signature, Tensor
from modelfiles.protobuf.skimming import Schema
from modelfiles.protobuf.text import Fields, read_text
from modelformats.errors import InvalidModelError
from modelformats.format import files_matching, reading, single_file
from modelformats.weights import counted

from .caffe_shapes import Shape, result_shape

if TYPE_CHECKING:
    from modelfiles.protobuf.messages import Messages

NETWORK, WEIGHTS = "*.prototxt", "*.caffemodel"
DEPLOY = "*deploy*.prototxt"
LAYERS = ("layer", "layers")
"""The second name is that of the first generation, whose types are enumerated."""
DATA = {"Input", "Data", "DummyData", "HDF5Data", "ImageData", "MemoryData", "WindowData"}
OLD_NAMES = {
    "ABSVAL": "AbsVal",
    "HDF5_DATA": "HDF5Data",
    "INNER_PRODUCT": "InnerProduct",
    "RELU": "ReLU",
    "TANH": "TanH",
}
"""Enumerated types whose newer names differ in more than capitals."""
ABBREVIATIONS = {"BNLL", "ELU", "LRN", "LSTM", "MVN", "RNN", "SPP"}
"""Types in capitals in both generations."""
INPUT_RANK = 4

MESSAGES: "Messages" = {
    "Net": (("name", 1, "string"), ("old_layers", 2, "*OldLayer"), ("layers", 100, "*Layer")),
    "OldLayer": (("blobs", 6, "*Blob"),),
    "Layer": (("blobs", 7, "*Blob"),),
    "Blob": (
        ("num", 1, "int32"),
        ("channels", 2, "int32"),
        ("height", 3, "int32"),
        ("width", 4, "int32"),
        ("float_bytes", 5, "size"),
        ("shape", 7, "Shape"),
        ("double_bytes", 8, "size"),
    ),
    "Shape": (("dims", 1, "*int64"),),
}
SCHEMA = Schema("klever.caffe", MESSAGES, "Net")


class CaffeModel:
    """See `modelformats.format.Format`."""

    name = "CaffeModel"

    def detect(self, directory: Path) -> bool:
        """Detect a *.prototxt and a *.caffemodel file."""
        return bool(files_matching(directory, NETWORK) and files_matching(directory, WEIGHTS))

    def validate(self, directory: Path) -> None:
        """Check for one *.caffemodel file, and one *.prototxt file or one with `deploy` in its name."""
        files(directory)

    def extract(self, directory: Path) -> Signature:
        """Return inputs, outputs and layers of the network; weights are counted by the shapes of their blobs."""
        network, weights = files(directory)
        with reading(network, "Caffe network"):
            net = read_text(network)
            layers = [layer for layer in net.messages(*LAYERS) if _in_test(layer)]
            if not layers:
                raise InvalidModelError(f"{network.name} has no layers: it is empty, a solver or not a network")
            inputs, outputs = _ends(net, layers)
        with reading(weights, "caffemodel"):
            parameters = _parameters(weights)
        return Signature(
            inputs=inputs,
            outputs=outputs,
            operators=dict(sorted(Counter(_kind(layer) for layer in layers).items())),
            parameters=parameters,
            framework="Caffe",
            details={"network": net.text("name"), "network_file": network.name},
            unknown=_unknown(inputs, outputs),
        )


def files(directory: Path) -> tuple[Path, Path]:
    """Return the network and its weights. Raises InvalidModelError if one is missing, or there are several."""
    return _network_file(directory), single_file(directory, WEIGHTS)


def _network_file(directory: Path) -> Path:
    networks = files_matching(directory, DEPLOY)
    return networks[0] if len(networks) == 1 else single_file(directory, NETWORK)


def _in_test(layer: Fields) -> bool:
    """Return whether a layer is used in inference, and not only in training."""
    included = [rule.text("phase") for rule in layer.messages("include")]
    excluded = [rule.text("phase") for rule in layer.messages("exclude")]
    return "TEST" not in excluded and (not included or included != ["TRAIN"] * len(included))


def _kind(layer: Fields) -> str:
    kind = layer.text("type", "unknown")
    if not kind.isupper() or kind in ABBREVIATIONS:
        return kind
    return OLD_NAMES.get(kind) or "".join(word.capitalize() for word in kind.split("_"))


def _ends(net: Fields, layers: list[Fields]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return the tensors that no layer produces, and those that no layer consumes, in the framework's order."""
    shapes = dict(_declared(net))
    inputs = list(shapes)
    waiting = dict.fromkeys(inputs)
    for layer in layers:
        kind, bottoms, tops = _kind(layer), layer.texts("bottom"), layer.texts("top")
        if kind in DATA:
            shapes.update(_given(layer, tops))
            inputs += tops
        else:
            shape = result_shape(kind, layer, [shapes.get(bottom) for bottom in bottoms])
            shapes.update(dict.fromkeys(tops, shape))
        for bottom in bottoms:
            waiting.pop(bottom, None)
        waiting |= dict.fromkeys(tops)
    return tuple(_tensor(name, shapes) for name in inputs), tuple(_tensor(name, shapes) for name in waiting)


def _tensor(name: str, shapes: dict[str, Shape | None]) -> Tensor:
    return Tensor(name=name, dtype="float32", shape=shapes.get(name))


def _declared(net: Fields) -> Iterator[tuple[str, Shape | None]]:
    """Yield inputs declared beside the layers, as in older networks: one shape each, or four dimensions each."""
    given = [_shape(message) for message in net.messages("input_shape")]
    dims = [int(dim) for dim in net.texts("input_dim")]
    given = given or [tuple(dims[at : at + INPUT_RANK]) for at in range(0, len(dims), INPUT_RANK)]
    for place, name in enumerate(net.texts("input")):
        yield name, given[place] if place < len(given) else None


def _given(layer: Fields, tops: list[str]) -> dict[str, Shape | None]:
    """Return the shapes of an input layer: one shape for all tops, or one for each."""
    given = [_shape(message) for message in layer.message("input_param").messages("shape")]
    return {top: given[min(place, len(given) - 1)] if given else None for place, top in enumerate(tops)}


def _shape(message: Fields) -> Shape:
    return tuple(int(dim) for dim in message.texts("dim"))


def _unknown(inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> dict[str, str]:
    unknown = {"framework_version": "Caffe writes no version into its files"}
    if any(tensor.shape is None for tensor in inputs):
        unknown["inputs"] = "the network reads its inputs from a data set, whose shape is not in the file"
    if any(tensor.shape is None for tensor in outputs):
        unknown["outputs"] = "the shape follows from layers whose results are not known here"
    return unknown


def _parameters(path: Path) -> Parameters:
    net = SCHEMA.read(path)
    if not net.layers and not net.old_layers:
        raise InvalidModelError(f"{path.name} has no layers: it is empty or not a caffemodel")
    return counted(
        ("float64", [blob.double_bytes // 8]) if blob.double_bytes else ("float32", _dimensions(blob))
        for layer in chain(net.layers, net.old_layers)
        for blob in layer.blobs
    )


def _dimensions(blob: Any) -> list[int]:
    """Return dimensions from the data, else from the declared shape; the four fields are older."""
    if blob.float_bytes:
        return [blob.float_bytes // 4]
    return list(blob.shape.dims) or [blob.num, blob.channels, blob.height, blob.width]


CAFFE_MODEL = CaffeModel()
