"""The shape of a Keras layer's result, from its configuration and its inputs' shapes, for layers that models end in.

Follows the layers' documentation (keras.io/api/layers); a layer that is not here has a result of unknown shape.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Shape = tuple[int, ...]
"""-1 is any size."""

UNCHANGED = {
    "Activation",
    "ActivityRegularization",
    "AlphaDropout",
    "BatchNormalization",
    "Dropout",
    "ELU",
    "GaussianDropout",
    "GaussianNoise",
    "GroupNormalization",
    "LayerNormalization",
    "LeakyReLU",
    "Masking",
    "PReLU",
    "ReLU",
    "Rescaling",
    "Softmax",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "UnitNormalization",
}
ELEMENTWISE = {"Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"}
RECURRENT = {"GRU", "LSTM", "SimpleRNN"}
CHANNELS_FIRST = "channels_first"


def result_shape(kind: str, config: Mapping[str, Any], inputs: Sequence[Shape]) -> Shape | None:
    """The shape that a layer makes of its inputs, or None where that is not known here."""
    if not inputs or not inputs[0]:
        return None
    first = inputs[0]
    if kind in UNCHANGED or (kind in ELEMENTWISE and all(shape == first for shape in inputs)):
        return first
    if kind == "Concatenate":
        return _concatenated(int(config.get("axis", -1)), inputs)
    return _of_one(kind, config, first) if len(inputs) == 1 else None


def _of_one(kind: str, config: Mapping[str, Any], shape: Shape) -> Shape | None:
    if kind == "Dense":
        return (*shape[:-1], int(config["units"]))
    if kind == "Embedding":
        return (*shape, int(config["output_dim"]))
    if kind in {"Flatten", "Reshape", "RepeatVector"}:
        return _reshaped(kind, config, shape)
    if kind in RECURRENT and len(shape) == 3 and not config.get("return_state"):  # noqa: PLR2004 - batch, time, features
        steps = shape[1:2] if config.get("return_sequences") else ()
        return (shape[0], *steps, int(config["units"]))
    return _spatial(kind, config, shape)


def _concatenated(axis: int, inputs: Sequence[Shape]) -> Shape | None:
    first = inputs[0]
    if any(len(shape) != len(first) for shape in inputs) or not -len(first) <= axis < len(first):
        return None
    sizes = [shape[axis] for shape in inputs]
    shape = list(first)
    shape[axis] = -1 if -1 in sizes else sum(sizes)
    return tuple(shape)


def _reshaped(kind: str, config: Mapping[str, Any], shape: Shape) -> Shape | None:
    if kind == "RepeatVector":
        return (shape[0], int(config["n"]), *shape[1:])
    size = 1
    for dim in shape[1:]:
        size = -1 if -1 in {dim, size} else size * dim
    if kind == "Flatten":
        return (shape[0], size)
    target = [int(dim) for dim in config["target_shape"]]
    return (shape[0], *target) if -1 not in target else None


def _spatial(kind: str, config: Mapping[str, Any], shape: Shape) -> Shape | None:
    """Convolutions and pooling over one to three dimensions, channels last."""
    rank = int(kind[-2]) if kind[-2:] in {"1D", "2D", "3D"} else 0
    if rank == 0 or len(shape) != rank + 2 or config.get("data_format") == CHANNELS_FIRST:
        return None
    if kind.startswith(("GlobalAveragePooling", "GlobalMaxPooling")) and not config.get("keepdims"):
        return (shape[0], shape[-1])
    if kind.startswith(("AveragePooling", "MaxPooling")):
        channels, window = shape[-1], _sizes(config["pool_size"], rank)
        strides = _sizes(config.get("strides") or config["pool_size"], rank)
    elif kind.startswith("Conv") and not kind.endswith("Transpose"):
        channels = int(config["filters"])
        spread = _sizes(config.get("dilation_rate", 1), rank)
        window = [(size - 1) * step + 1 for size, step in zip(_sizes(config["kernel_size"], rank), spread, strict=True)]
        strides = _sizes(config.get("strides", 1), rank)
    else:
        return None
    padding = config.get("padding", "valid")
    sizes = [_windows(*each, padding) for each in zip(shape[1:-1], window, strides, strict=True)]
    return (shape[0], *sizes, channels)


def _sizes(value: Any, rank: int) -> list[int]:
    return [value] * rank if isinstance(value, int) else [int(size) for size in value]


def _windows(size: int, window: int, stride: int, padding: str) -> int:
    """How many windows there are along one dimension."""
    if size == -1:
        return -1
    return -(-size // stride) if padding == "same" else max((size - window) // stride + 1, 0)
