"""Shapes of the results of Keras layers, from their configuration and input shapes, for layers that end models.

Follows the documentation of layers (keras.io/api/layers); for other layers the shape is unknown.
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
    "Normalization",
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
    """Return the shape of a layer's result; None if it is unknown."""
    if not inputs or not inputs[0]:
        return None
    first = inputs[0]
    if kind in UNCHANGED:
        return first
    if kind in ELEMENTWISE:
        return _broadcast(inputs)
    if kind == "Concatenate":
        return _concatenated(int(config.get("axis", -1)), inputs)
    return _shape_of_layer(kind, config, first) if len(inputs) == 1 else None


def _shape_of_layer(kind: str, config: Mapping[str, Any], shape: Shape) -> Shape | None:
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


def _broadcast(inputs: Sequence[Shape]) -> Shape | None:
    """Broadcast shapes: a dimension of 1 takes the other size; unknown sizes match."""
    if any(len(shape) != len(inputs[0]) for shape in inputs):
        return None
    joined = []
    for sizes in zip(*inputs, strict=True):
        known = set(sizes) - {1, -1}
        if len(known) > 1:
            return None
        joined.append(known.pop() if known else min(sizes))
    return tuple(joined)


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
    """Return the shape after convolution, pooling, padding or scaling over one to three dimensions, channels last."""
    rank = int(kind[-2]) if kind[-2:] in {"1D", "2D", "3D"} else 0
    if rank == 0 or len(shape) != rank + 2 or config.get("data_format") == CHANNELS_FIRST:
        return None
    action, sides = kind[:-2], shape[1:-1]
    if action in {"GlobalAveragePooling", "GlobalMaxPooling"}:
        return (shape[0], *([1] * rank if config.get("keepdims") else []), shape[-1])
    if action in {"ZeroPadding", "Cropping"}:
        sign, key = (1, "padding") if action == "ZeroPadding" else (-1, "cropping")
        added = [sum(_sizes(ends, 2)) for ends in ([config[key]] if rank == 1 else config[key])]
        return (shape[0], *(_more(size, sign * more) for size, more in zip(sides, added, strict=True)), shape[-1])
    if action == "UpSampling":
        factors = _sizes(config["size"], rank)
        return (shape[0], *(max(size * by, -1) for size, by in zip(sides, factors, strict=True)), shape[-1])
    return _windowed(action, config, shape)


def _more(size: int, more: int) -> int:
    return size if size == -1 else size + more


def _windowed(action: str, config: Mapping[str, Any], shape: Shape) -> Shape | None:
    rank = len(shape) - 2
    channels = {
        "AveragePooling": shape[-1],
        "MaxPooling": shape[-1],
        "Conv": config.get("filters"),
        "SeparableConv": config.get("filters"),
        "DepthwiseConv": max(shape[-1] * config.get("depth_multiplier", 1), -1),
    }.get(action)
    if channels is None:
        return None
    window = _sizes(config["pool_size" if action.endswith("Pooling") else "kernel_size"], rank)
    strides = _sizes(config.get("strides") or (window if action.endswith("Pooling") else 1), rank)
    spread = _sizes(config.get("dilation_rate", 1), rank)
    padding = config.get("padding", "valid")
    window = [(size - 1) * step + 1 for size, step in zip(window, spread, strict=True)]
    sizes = [_windows(*each, padding) for each in zip(shape[1:-1], window, strides, strict=True)]
    return (shape[0], *sizes, int(channels))


def _sizes(value: Any, rank: int) -> list[int]:
    return [value] * rank if isinstance(value, int) else [int(size) for size in value]


def _windows(size: int, window: int, stride: int, padding: str) -> int:
    """Return the number of windows along one dimension."""
    if size == -1:
        return -1
    return -(-size // stride) if padding == "same" else max((size - window) // stride + 1, 0)
