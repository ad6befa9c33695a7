"""Converts each layer of Caffe to operators of Caffe2 (caffe.berkeleyvision.org/tutorial/layers.html)."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from modelfiles.protobuf.text import Fields

from ..netdef.nets import Operator, Value
from .builder import Builder, Convert, Shape, ends_of, flag, refused
from .windows import convolution, pooling


def _inner_product(builder: Builder, layer: Fields) -> None:
    options, (bottom, top) = layer.message("inner_product_param"), ends_of(layer)
    if options.text("axis", "1") != "1" or flag(options, "transpose", default=False):
        raise refused(layer, "an InnerProduct with another axis, or transposed")
    has_bias = flag(options, "bias_term", default=True)
    blobs = builder.blobs(layer, 1 + has_bias)
    weights = blobs[0].reshape(-1, blobs[0].shape[-1])
    bias = blobs[1].reshape(-1) if has_bias else np.zeros(weights.shape[0], np.float32)
    inputs = [bottom, builder.weight(layer, "w", weights), builder.weight(layer, "b", bias)]
    builder.emit("FC", inputs, top, (builder.shapes[bottom][0], weights.shape[0]))


def _relu(builder: Builder, layer: Fields) -> None:
    slope = float(layer.message("relu_param").text("negative_slope", "0"))
    _elementwise(builder, layer, *(("LeakyRelu", {"alpha": slope}) if slope else ("Relu", {})))


def _prelu(builder: Builder, layer: Fields) -> None:
    bottom, top = ends_of(layer)
    slopes = builder.weight(layer, "slope", builder.blobs(layer, 1)[0].reshape(-1))
    builder.emit("PRelu", [bottom, slopes], top, builder.shapes[bottom], order="NCHW")


def _elu(builder: Builder, layer: Fields) -> None:
    _elementwise(builder, layer, "Elu", {"alpha": float(layer.message("elu_param").text("alpha", "1"))})


def _elementwise(builder: Builder, layer: Fields, kind: str, arguments: Mapping[str, Value]) -> None:
    bottom, top = ends_of(layer)
    builder.emit(kind, [bottom], top, builder.shapes[bottom], **arguments)


def _plain(kind: str, **arguments: Value) -> Convert:
    """Return the conversion of a layer without relevant options."""
    return lambda builder, layer: _elementwise(builder, layer, kind, arguments)


def _softmax(builder: Builder, layer: Fields) -> None:
    """Convert a softmax.

    Caffe2 flattens the dimensions after its axis, so channels of images are moved to the end and back.
    """
    bottom, top = ends_of(layer)
    axis, shape = int(layer.message("softmax_param").text("axis", "1")), builder.shapes[bottom]
    axis %= len(shape)
    if all(size == 1 for size in shape[axis + 1 :]):
        builder.emit("Softmax", [bottom], top, shape, axis=axis)
        return
    order = [*(place for place in range(len(shape)) if place != axis), axis]
    last, score = f"{top}_last", f"{top}_scores"
    turned = tuple(shape[place] for place in order)
    builder.emit("Transpose", [bottom], last, turned, axes=order)
    builder.emit("Softmax", [last], score, turned, axis=len(shape) - 1)
    builder.emit("Transpose", [score], top, shape, axes=[order.index(place) for place in range(len(shape))])


def _batch_norm(builder: Builder, layer: Fields) -> None:
    bottom, top = ends_of(layer)
    mean, variance, factor = builder.blobs(layer, 3)[:3]
    scale = 1 / factor.reshape(-1)[0] if factor.reshape(-1)[0] else 0.0
    mean, variance = mean.reshape(-1) * np.float32(scale), variance.reshape(-1) * np.float32(scale)
    numbers = {"scale": np.ones_like(mean), "bias": np.zeros_like(mean), "mean": mean, "variance": variance}
    names = [builder.weight(layer, name, values) for name, values in numbers.items()]
    epsilon = float(layer.message("batch_norm_param").text("eps", "1e-5"))
    builder.emit("SpatialBN", [bottom, *names], top, builder.shapes[bottom], epsilon=epsilon, is_test=1, order="NCHW")


def _scale(builder: Builder, layer: Fields) -> None:
    options, bottoms, top = layer.message("scale_param"), layer.texts("bottom"), layer.text("top")
    shape = builder.shapes[bottoms[0]]
    axis = int(options.text("axis", "1")) % len(shape)
    has_bias = flag(options, "bias_term", default=False)
    own = len(bottoms) == 1
    blobs = builder.blobs(layer, own + has_bias)
    factor = builder.weight(layer, "factor", blobs[0]) if own else bottoms[1]
    builder.emit("Mul", [bottoms[0], factor], top, shape, broadcast=1, axis=axis)
    if has_bias:
        added = builder.weight(layer, "added", blobs[own])
        builder.emit("Add", [top, added], top, shape, broadcast=1, axis=axis)


def _local_response(builder: Builder, layer: Fields) -> None:
    options = layer.message("lrn_param")
    if options.text("norm_region", "ACROSS_CHANNELS") not in {"ACROSS_CHANNELS", "0"}:
        raise refused(layer, "an LRN within channels")
    numbers = {"alpha": "1", "beta": "0.75"}
    reals = {name: float(options.text(name, default)) for name, default in numbers.items()}
    size, bias = int(options.text("local_size", "5")), float(options.text("k", "1"))
    _elementwise(builder, layer, "LRN", {"size": size, **reals, "bias": bias})


def _concat(builder: Builder, layer: Fields) -> None:
    options, bottoms, top = layer.message("concat_param"), layer.texts("bottom"), layer.text("top")
    shapes = [builder.shapes[name] for name in bottoms]
    axis = int(options.text("axis") or options.text("concat_dim", "1")) % len(shapes[0])
    joined = (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])
    builder.emit("Concat", bottoms, top, joined, f"{top}_sizes", axis=axis, order="NCHW")


def _eltwise(builder: Builder, layer: Fields) -> None:
    options, bottoms, top = layer.message("eltwise_param"), layer.texts("bottom"), layer.text("top")
    how, shape = options.text("operation", "SUM"), builder.shapes[bottoms[0]]
    if how in {"SUM", "1"}:
        factors = [float(text) for text in options.texts("coeff")] or [1.0] * len(bottoms)
        names = [_times(builder, name, factor, top, shape) for name, factor in zip(bottoms, factors, strict=True)]
        builder.emit("Sum", names, top, shape)
    elif how in {"MAX", "2"}:
        builder.emit("Max", bottoms, top, shape)
    else:
        made = bottoms[0]
        for place, name in enumerate(bottoms[1:]):
            result = top if place == len(bottoms) - 2 else f"{top}_product_{place}"
            builder.emit("Mul", [made, name], result, shape)
            made = result


def _times(builder: Builder, name: str, factor: float, top: str, shape: Shape) -> str:
    if factor == 1:
        return name
    result = f"{top}_of_{name}_{len(builder.operators)}"
    builder.emit("Scale", [name], result, shape, scale=factor)
    return result


def _flatten(builder: Builder, layer: Fields) -> None:
    options, (bottom, top) = layer.message("flatten_param"), ends_of(layer)
    if options.text("axis", "1") != "1" or options.text("end_axis", "-1") != "-1":
        raise refused(layer, "a Flatten of some dimensions only")
    shape = builder.shapes[bottom]
    builder.emit("Flatten", [bottom], top, (shape[0], int(np.prod(shape[1:]))))


def _reshape(builder: Builder, layer: Fields) -> None:
    options, (bottom, top) = layer.message("reshape_param"), ends_of(layer)
    if options.text("axis", "0") != "0" or options.text("num_axes", "-1") != "-1":
        raise refused(layer, "a Reshape of some dimensions only")
    shape = builder.shapes[bottom]
    wanted = [int(size) for size in options.message("shape").texts("dim")]
    if wanted and wanted[0] == shape[0]:
        wanted[0] = 0  # the batch dimension does not change
    sizes = [shape[place] if size == 0 else size for place, size in enumerate(wanted)]
    rest = int(np.prod(shape)) // max(1, int(np.prod([size for size in sizes if size > 0])))
    full = tuple(rest if size < 0 else size for size in sizes)
    builder.emit("Reshape", [bottom], top, full, f"{top}_old_shape", shape=wanted)


def _copies(builder: Builder, layer: Fields) -> None:
    bottom = layer.text("bottom")
    for top in layer.texts("top"):
        builder.emit("Copy", [bottom], top, builder.shapes[bottom])


def _slice(builder: Builder, layer: Fields) -> None:
    options, bottom, tops = layer.message("slice_param"), layer.text("bottom"), layer.texts("top")
    shape = builder.shapes[bottom]
    axis = int(options.text("axis") or options.text("slice_dim", "1")) % len(shape)
    points = [int(point) for point in options.texts("slice_point")]
    even = [place * shape[axis] // len(tops) for place in range(len(tops) + 1)]
    sizes = [end - begin for begin, end in pairwise([0, *points, shape[axis]] if points else even)]
    builder.operators.append(Operator("Split", (bottom,), tuple(tops), {"axis": axis, "split": sizes}))
    for top, size in zip(tops, sizes, strict=True):
        builder.shapes[top] = (*shape[:axis], size, *shape[axis + 1 :])


def _power(builder: Builder, layer: Fields) -> None:
    """Convert (shift + scale * x) to a power."""
    options, (bottom, top) = layer.message("power_param"), ends_of(layer)
    power, scale, shift = (
        float(options.text(name, default)) for name, default in (("power", "1"), ("scale", "1"), ("shift", "0"))
    )
    shape = builder.shapes[bottom]
    builder.emit("Scale", [bottom], top, shape, scale=scale)
    if shift:
        added = builder.weight(layer, "shift", np.asarray([shift], np.float32))
        builder.emit("Add", [top, added], top, shape, broadcast=1, axis=len(shape) - 1)
    if power != 1:
        builder.emit("Pow", [top], top, shape, exponent=power)


def _permute(builder: Builder, layer: Fields) -> None:
    bottom, top = ends_of(layer)
    shape, order = builder.shapes[bottom], [int(place) for place in layer.message("permute_param").texts("order")]
    order += [place for place in range(len(shape)) if place not in order]
    builder.emit("Transpose", [bottom], top, tuple(shape[place] for place in order), axes=order)


LAYERS: dict[str, Convert] = {
    **dict.fromkeys(("Convolution", "Deconvolution"), convolution),
    "Pooling": pooling,
    "InnerProduct": _inner_product,
    "Softmax": _softmax,
    "ReLU": _relu,
    "PReLU": _prelu,
    "ELU": _elu,
    "Sigmoid": _plain("Sigmoid"),
    "TanH": _plain("Tanh"),
    "AbsVal": _plain("Abs"),
    "Dropout": _plain("Dropout", is_test=1),
    "BatchNorm": _batch_norm,
    "Scale": _scale,
    "LRN": _local_response,
    "Concat": _concat,
    "Eltwise": _eltwise,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Split": _copies,
    "Slice": _slice,
    "Power": _power,
    "Permute": _permute,
}
