"""Reads Caffe's nets: layers of a prototxt, weights of a caffemodel, of both generations (caffe.proto of BVLC)."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelfiles.protobuf.messages import Messages, message_class
from modelfiles.protobuf.text import Fields, read_text

from ..program import INVALID_MODEL, ProblemError, Request

MESSAGES: Messages = {
    "Net": (("old_layers", 2, "*OldLayer"), ("layers", 100, "*Layer")),
    "OldLayer": (("name", 4, "string"), ("blobs", 6, "*Blob")),
    "Layer": (("name", 1, "string"), ("blobs", 7, "*Blob")),
    "Blob": (
        *(("num", 1, "int32"), ("channels", 2, "int32"), ("height", 3, "int32"), ("width", 4, "int32")),
        *(("data", 5, "*float"), ("shape", 7, "Shape"), ("double_data", 8, "*double")),
    ),
    "Shape": (("dim", 1, "*int64"),),
}
NET = message_class("klever.programs.caffe", MESSAGES, "Net")
OLD_NAMES = {"ABSVAL": "AbsVal", "INNER_PRODUCT": "InnerProduct", "RELU": "ReLU", "PRELU": "PReLU", "TANH": "TanH"}
ABBREVIATIONS = {"ELU", "LRN", "MVN"}
DATA = {"Input", "Data", "DummyData", "HDF5Data", "ImageData", "MemoryData", "WindowData"}


def read_layers(request: Request) -> tuple[Fields, list[Fields]]:
    """Return the network, and its layers except those for training. Raises ProblemError if it cannot be read."""
    path, _ = request.files
    try:
        net = read_text(path)
    except ValueError as error:
        raise ProblemError(INVALID_MODEL, f"{path.name} is not a prototxt file: {error}") from error
    layers = [layer for layer in net.messages("layer", "layers") if _in_test(layer)]
    if not layers:
        raise ProblemError(INVALID_MODEL, f"{path.name} has no layers: it is empty, a solver or no network")
    return net, layers


def read_weights(request: Request) -> dict[str, list[NDArray[np.float32]]]:
    """Return the blobs of each layer, by its name. Raises ProblemError if the file is not a caffemodel file."""
    _, path = request.files
    net = NET()
    try:
        net.ParseFromString(path.read_bytes())
        return {layer.name: [_array(blob) for blob in layer.blobs] for layer in (*net.layers, *net.old_layers)}
    except Exception as error:  # protobuf's error class is not importable everywhere
        raise ProblemError(INVALID_MODEL, f"{path.name} is not a caffemodel file: {error}") from error


def kind(layer: Fields) -> str:
    """Return the layer's type with its newer name."""
    name = layer.text("type", "unknown")
    if not name.isupper() or name in ABBREVIATIONS:
        return name
    return OLD_NAMES.get(name) or "".join(word.capitalize() for word in name.split("_"))


def declared_shapes(net: Fields, layers: list[Fields]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the inputs and their shapes, in both notations."""
    names = net.texts("input")
    sizes = [int(size) for size in net.texts("input_dim")]
    shapes = [_dims(shape) for shape in net.messages("input_shape")] or [
        tuple(sizes[begin : begin + 4]) for begin in range(0, len(sizes), 4)
    ]
    yield from zip(names, shapes, strict=False)
    for layer in layers:
        if kind(layer) in DATA:
            given = [_dims(shape) for shape in layer.message("input_param").messages("shape")]
            tops = layer.texts("top")
            yield from zip(tops, given * len(tops) if len(given) == 1 else given, strict=False)


def _dims(shape: Fields) -> tuple[int, ...]:
    return tuple(int(size) for size in shape.texts("dim"))


def _in_test(layer: Fields) -> bool:
    included = [rule.text("phase") for rule in layer.messages("include")]
    excluded = [rule.text("phase") for rule in layer.messages("exclude")]
    return "TEST" not in excluded and (not included or included != ["TRAIN"] * len(included))


def _array(blob: Any) -> NDArray[np.float32]:
    values = np.asarray(blob.data or blob.double_data, np.float32)
    shape = list(blob.shape.dim) if blob.HasField("shape") else [blob.num, blob.channels, blob.height, blob.width]
    if values.size != int(np.prod(shape)):
        raise ValueError(f"a blob has {values.size} values, not those of {shape}")
    return values.reshape(shape)
