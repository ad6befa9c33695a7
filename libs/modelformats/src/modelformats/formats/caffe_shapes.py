"""Shapes of the results of Caffe layers (caffe.berkeleyvision.org/tutorial/layers.html)."""

from collections.abc import Callable, Sequence

from modelfiles.protobuf.text import Fields

Shape = tuple[int, ...]
UNCHANGED = {
    "AbsVal",
    "BNLL",
    "BatchNorm",
    "Bias",
    "Dropout",
    "ELU",
    "Eltwise",
    "Exp",
    "LRN",
    "Log",
    "MVN",
    "PReLU",
    "Power",
    "ReLU",
    "Scale",
    "Sigmoid",
    "Softmax",
    "Split",
    "TanH",
}
IMAGE_RANK = 4


def result_shape(kind: str, layer: Fields, inputs: Sequence[Shape | None]) -> Shape | None:
    """Return the shape of each top of a layer; None if it is unknown."""
    if not inputs or inputs[0] is None:
        return None
    first = inputs[0]
    if kind in UNCHANGED:
        return first
    if kind == "Concat":
        return _joined(layer.message("concat_param"), [shape for shape in inputs if shape is not None], len(inputs))
    if kind == "InnerProduct":
        options = layer.message("inner_product_param")
        axis = int(options.text("axis", "1"))
        return (*first[:axis], int(options.text("num_output", "-1")))
    if kind == "Flatten":
        return _flat(first)
    return _windowed(kind, layer, first) if len(first) == IMAGE_RANK else None


def _joined(options: Fields, known: list[Shape], count: int) -> Shape | None:
    axis = int(options.text("axis") or options.text("concat_dim", "1"))
    if len(known) < count or any(len(shape) != len(known[0]) for shape in known) or not 0 <= axis < len(known[0]):
        return None
    joined = list(known[0])
    joined[axis] = sum(shape[axis] for shape in known)
    return tuple(joined)


def _flat(shape: Shape) -> Shape:
    size = 1
    for dim in shape[1:]:
        size *= dim
    return (*shape[:1], size)


def _windowed(kind: str, layer: Fields, shape: Shape) -> Shape | None:
    if kind == "Pooling":
        options = layer.message("pooling_param")
        if options.text("global_pooling") == "true":
            return (*shape[:2], 1, 1)
        return (*shape[:2], *_sides(options, shape, _pooled))
    if kind not in {"Convolution", "Deconvolution"}:
        return None
    options = layer.message("convolution_param")
    side = _convolved if kind == "Convolution" else _deconvolved
    return (shape[0], int(options.text("num_output", "-1")), *_sides(options, shape, side))


def _sides(options: Fields, shape: Shape, side: Callable[[int, int, int, int], int]) -> list[int]:
    """Return height and width, by window, stride and padding; an option is for both, for each, or has two names."""
    sides = []
    for place, suffix in enumerate("hw"):
        window = _option(options, "kernel_size", f"kernel_{suffix}", place, 1)
        window = (window - 1) * _option(options, "dilation", "", place, 1) + 1
        stride = _option(options, "stride", f"stride_{suffix}", place, 1)
        padding = _option(options, "pad", f"pad_{suffix}", place, 0)
        sides.append(side(shape[2 + place], window, max(stride, 1), padding))
    return sides


def _option(options: Fields, name: str, own_name: str, place: int, default: int) -> int:
    given = options.texts(name)
    if given:
        return int(given[min(place, len(given) - 1)])
    return int(options.text(own_name, str(default)))


def _convolved(size: int, window: int, stride: int, padding: int) -> int:
    return (size + 2 * padding - window) // stride + 1


def _deconvolved(size: int, window: int, stride: int, padding: int) -> int:
    return stride * (size - 1) + window - 2 * padding


def _pooled(size: int, window: int, stride: int, padding: int) -> int:
    """Return the size after pooling. Caffe rounds up, but starts no window in the padding."""
    windows = -(-(size + 2 * padding - window) // stride) + 1
    return windows - 1 if padding and (windows - 1) * stride >= size + padding else windows
