"""Runs a Caffe2 net once with NumPy, independently of the program that converts it, so that each verifies the other."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..program import UNSUPPORTED_OPERATOR, ProblemError, Request, main, versions
from ..samples import first_that_runs, matched, read_samples, write_results
from .nets import Operator, read_net

Array = NDArray[Any]
LEGACY = 3
"""legacy_pad: like in Caffe, windows count if they begin inside the image, even if they end outside."""


def convert(request: Request) -> dict[str, str]:
    """Run the operators in order."""
    net = read_net(request)
    values: dict[str, Array] = {**net.weights, **matched(read_samples(request), net.inputs)}
    for operator in net.operators:
        compute = OPERATORS.get(operator.type)
        if compute is None:
            raise ProblemError(UNSUPPORTED_OPERATOR, f"the operator {operator.type} cannot be run")
        results = compute(operator, *(values[name] for name in operator.inputs))
        made = results if isinstance(results, list) else [results]
        values.update(zip(operator.outputs, made, strict=False))  # further outputs are shapes that are not used
    write_results(request, {name: values[name] for name in net.outputs})
    return versions("numpy")


def _windows(
    operator: Operator, image: Array, fill: float, kernel: tuple[int, int], dilation: tuple[int, int]
) -> Array:
    """Return windows (batch, channels, height, width, kernel height, kernel width). Legacy windows are padded."""
    top, left, bottom, right = operator.pads()
    strides = operator.pair("stride", 1)
    if operator.integer("legacy_pad") == LEGACY:
        bottom += -(image.shape[2] + top + bottom - kernel[0]) % strides[0]
        right += -(image.shape[3] + left + right - kernel[1]) % strides[1]
    padded = np.pad(image, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    reach = tuple(1 + step * (size - 1) for size, step in zip(kernel, dilation, strict=True))
    seen = sliding_window_view(padded, reach, axis=(2, 3))
    return seen[:, :, :: strides[0], :: strides[1], :: dilation[0], :: dilation[1]]


def _conv(operator: Operator, image: Array, weights: Array, bias: Array | None = None) -> Array:
    groups = operator.integer("group", 1)
    kernel = (weights.shape[2], weights.shape[3])
    seen = _windows(operator, image, 0.0, kernel, operator.pair("dilation", 1))
    parts = zip(np.split(seen, groups, axis=1), np.split(weights, groups, axis=0), strict=True)
    made = np.concatenate([np.einsum("nchwij,ocij->nohw", part, filters) for part, filters in parts], axis=1)
    return made if bias is None else made + bias.reshape(1, -1, 1, 1)


def _conv_transpose(operator: Operator, image: Array, weights: Array, bias: Array | None = None) -> Array:
    """Add each value, multiplied with the filter, at its position."""
    (down, across), groups = operator.pair("stride", 1), operator.integer("group", 1)
    batch, _, height, width = image.shape
    _, each, tall, wide = weights.shape
    made = np.zeros((batch, each * groups, down * (height - 1) + tall, across * (width - 1) + wide), image.dtype)
    for group, (part, filters) in enumerate(
        zip(np.split(image, groups, axis=1), np.split(weights, groups, axis=0), strict=True)
    ):
        place = slice(group * each, (group + 1) * each)
        for row in range(tall):
            for column in range(wide):
                added = np.einsum("nchw,co->nohw", part, filters[:, :, row, column])
                rows, columns = slice(row, row + down * height, down), slice(column, column + across * width, across)
                made[:, place, rows, columns] += added
    top, left, bottom, right = operator.pads()
    made = made[:, :, top : made.shape[2] - bottom, left : made.shape[3] - right]
    return made if bias is None else made + bias.reshape(1, -1, 1, 1)


def _pool(operator: Operator, image: Array, fill: float) -> Array:
    whole = operator.integer("global_pooling")
    kernel = (image.shape[2], image.shape[3]) if whole else operator.pair("kernel", 1)
    return _windows(operator, image, fill, kernel, (1, 1))


def _max_pool(operator: Operator, image: Array) -> Array:
    return np.asarray(_pool(operator, image, -np.inf).max(axis=(4, 5)))


def _average_pool(operator: Operator, image: Array) -> Array:
    seen = _pool(operator, image, 0.0 if operator.integer("count_include_pad") else np.nan)
    return np.asarray(np.nanmean(seen, axis=(4, 5)))


def _normalised(operator: Operator, image: Array, *numbers: Array) -> Array:
    scale, bias, mean, variance = (each.reshape(1, -1, *(1,) * (image.ndim - 2)) for each in numbers[:4])
    made = (image - mean) / np.sqrt(variance + operator.real("epsilon", 1e-5)) * scale + bias
    return np.asarray(made.astype(image.dtype))


def _local_response(operator: Operator, image: Array) -> Array:
    size = operator.integer("size", 1)
    before, after = (size - 1) // 2, size // 2
    squares = np.pad(image**2, ((0, 0), (before, after), (0, 0), (0, 0)))
    sums = sliding_window_view(squares, size, axis=1).sum(axis=-1)
    bias, alpha, beta = operator.real("bias", 1.0), operator.real("alpha", 0.0), operator.real("beta", 0.0)
    return np.asarray(image / (bias + alpha / size * sums) ** beta)


def _fully_connected(_operator: Operator, rows: Array, weights: Array, bias: Array) -> Array:
    return np.asarray(rows.reshape(rows.shape[0], -1) @ weights.reshape(weights.shape[0], -1).T + bias)


def _softmax(operator: Operator, values: Array) -> Array:
    axis = operator.integer("axis", 1)
    rows = values.reshape(int(np.prod(values.shape[:axis])), -1)
    powers = np.exp(rows - rows.max(axis=1, keepdims=True))
    return np.asarray((powers / powers.sum(axis=1, keepdims=True)).reshape(values.shape))


def _broadcast(function: Callable[[Array, Array], Array]) -> Callable[..., Array]:
    """Return a function with Caffe2's broadcasting.

    The second operand's first dimension is at `axis`; by default both end together.
    """

    def compute(operator: Operator, first: Array, second: Array) -> Array:
        if operator.integer("broadcast"):
            axis = operator.integer("axis", first.ndim - second.ndim)
            second = second.reshape(*second.shape, *(1,) * (first.ndim - axis - second.ndim))
        return function(first, second)

    return compute


def _reshape(operator: Operator, values: Array) -> Array:
    wanted = operator.arguments["shape"]
    return values.reshape([values.shape[place] if size == 0 else int(size) for place, size in enumerate(wanted)])


def _split(operator: Operator, values: Array) -> list[Array]:
    axis, sizes = operator.integer("axis", 1), operator.arguments.get("split")
    places: Any = np.cumsum(sizes)[:-1] if sizes else len(operator.outputs)
    return list(np.split(values, places, axis=axis))


def _enlarged(operator: Operator, image: Array) -> Array:
    down, across = int(operator.real("height_scale", 1)), int(operator.real("width_scale", 1))
    return image.repeat(down, axis=2).repeat(across, axis=3)


def _padded(operator: Operator, image: Array) -> Array:
    top, left, bottom, right = operator.pads()
    return np.pad(image, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=operator.real("value", 0.0))


def _slope(slopes: Array, values: Array) -> Array:
    return slopes if slopes.size == 1 else slopes.reshape(1, -1, *(1,) * (values.ndim - 2))


OPERATORS: dict[str, Callable[..., Array | list[Array]]] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "SpatialBN": _normalised,
    "LRN": _local_response,
    "FC": _fully_connected,
    "Softmax": _softmax,
    "Add": _broadcast(np.add),
    "Sub": _broadcast(np.subtract),
    "Mul": _broadcast(np.multiply),
    "Div": _broadcast(np.divide),
    "Sum": lambda _, *values: sum(values[1:], values[0]),
    "Max": lambda _, *values: np.maximum.reduce(values),
    "MatMul": lambda _, first, second: first @ second,
    "Relu": lambda _, values: np.maximum(values, 0),
    "LeakyRelu": lambda op, values: np.where(values < 0, values * op.real("alpha", 0.01), values),
    "PRelu": lambda _, values, slopes: np.where(values < 0, values * _slope(slopes, values), values),
    "Elu": lambda op, values: np.where(values < 0, op.real("alpha", 1.0) * np.expm1(values), values),
    "Sigmoid": lambda _, values: 1 / (1 + np.exp(-values)),
    "Tanh": lambda _, values: np.tanh(values),
    "Abs": lambda _, values: np.abs(values),
    "Scale": lambda op, values: values * op.real("scale", 1.0),
    "Pow": lambda op, values: values ** op.real("exponent", 1.0),
    "Dropout": lambda _, values: values,
    "Copy": lambda _, values: values,
    "Concat": lambda op, *values: np.concatenate(values, axis=op.integer("axis", 1)),
    "Split": _split,
    "Reshape": _reshape,
    "Flatten": lambda op, values: values.reshape(int(np.prod(values.shape[: op.integer("axis", 1)])), -1),
    "Transpose": lambda op, values: values.transpose(op.arguments.get("axes") or None),
    "PadImage": _padded,
    "ResizeNearest": _enlarged,
}


if __name__ == "__main__":
    main(first_that_runs(convert))
