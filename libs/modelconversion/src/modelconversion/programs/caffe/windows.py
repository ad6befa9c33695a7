"""Layers of Caffe that move a window over an image."""

from modelfiles.protobuf.text import Fields

from .builder import IMAGE, Builder, Shape, ends_of, flag, pair, refused, window


def convolution(builder: Builder, layer: Fields) -> None:
    """Convert a convolution or its transpose."""
    options, (bottom, top) = layer.message("convolution_param"), ends_of(layer)
    (tall, wide), (down, across), (above, beside) = window(layer, options)
    step, group = pair(options, "dilation", 1), int(options.text("group", "1"))
    batch, _, height, width = _image(builder, layer)
    up = layer.text("type").upper() == "DECONVOLUTION"
    has_bias = flag(options, "bias_term", default=True)
    blobs = builder.blobs(layer, 1 + has_bias)
    weights = blobs[0].reshape(-1, *blobs[0].shape[-3:])
    inputs = [bottom, builder.weight(layer, "w", weights)]
    if has_bias:
        inputs.append(builder.weight(layer, "b", blobs[1].reshape(-1)))
    reach = step[0] * (tall - 1) + 1, step[1] * (wide - 1) + 1
    if up:
        if step != (1, 1):
            raise refused(layer, "a dilated Deconvolution")
        size = down * (height - 1) + tall - 2 * above, across * (width - 1) + wide - 2 * beside
        channels = weights.shape[1] * group
    else:
        size = (height + 2 * above - reach[0]) // down + 1, (width + 2 * beside - reach[1]) // across + 1
        channels = weights.shape[0]
    builder.emit(
        "ConvTranspose" if up else "Conv",
        inputs,
        top,
        (batch, channels, *size),
        kernels=(tall, wide),
        strides=(down, across),
        pads=(above, beside, above, beside),
        **({} if up else {"dilations": step}),
        group=group,
        order="NCHW",
    )


def _image(builder: Builder, layer: Fields) -> Shape:
    shape = builder.shapes[layer.text("bottom")]
    if len(shape) != IMAGE:
        raise refused(layer, f"a window over {len(shape)} dimensions")
    return shape


def pooling(builder: Builder, layer: Fields) -> None:
    """Convert max or average pooling."""
    options, (bottom, top) = layer.message("pooling_param"), ends_of(layer)
    batch, channels, height, width = _image(builder, layer)
    method = options.text("pool", "MAX")
    kind = {"MAX": "MaxPool", "0": "MaxPool", "AVE": "AveragePool", "1": "AveragePool"}.get(method)
    if kind is None:
        raise refused(layer, f"{method} pooling")
    if flag(options, "global_pooling", default=False):
        builder.emit(kind, [bottom], top, (batch, channels, 1, 1), global_pooling=1, order="NCHW")
        return
    kernel, stride, pad = window(layer, options)
    down_only = options.text("round_mode") in {"FLOOR", "1"}
    sides = zip((height, width), kernel, stride, pad, strict=True)
    size = [pooled(*side, up=not down_only) for side in sides]
    # The part of the last window beyond the image: Caffe rounds sizes up.
    behind = [
        (count - 1) * step + reach - length - before
        for count, step, reach, length, before in zip(size, stride, kernel, (height, width), pad, strict=True)
    ]
    source, before = bottom, pad
    if kind == "AveragePool" and any(pad):
        # Caffe counts the declared padding, but nothing beyond it.
        source, before = f"{top}_padded", (0, 0)
        padded = (batch, channels, height + 2 * pad[0], width + 2 * pad[1])
        builder.emit("PadImage", [bottom], source, padded, pads=(*pad, *pad), order="NCHW")
        behind = [max(0, left - declared) for left, declared in zip(behind, pad, strict=True)]
    builder.emit(
        kind,
        [source],
        top,
        (batch, channels, *size),
        kernels=kernel,
        strides=stride,
        pads=(*before, *(max(0, left) for left in behind)),
        order="NCHW",
    )


def pooled(length: int, kernel: int, stride: int, pad: int, *, up: bool) -> int:
    """Return the size after pooling, as computed in PoolingLayer::Reshape."""
    room = length + 2 * pad - kernel
    count = (-(-room // stride) if up else room // stride) + 1
    return count - 1 if pad and (count - 1) * stride >= length + pad else count
