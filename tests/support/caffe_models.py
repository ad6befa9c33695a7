"""A small Caffe network and its weights, as Caffe lays them out, and a small net of Caffe2."""

import struct

from support.protobufs import field, varint

NETWORK = """
name: "small"  # comments are allowed
layer { name: "data" type: "Input" top: "data" input_param { shape: { dim: 1 dim: 3 dim: 9, dim: 9; } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 stride: 2 weight_filler < type: 'xavier' > } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" include { phase: TRAIN } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""


def blob(*shape: int, values: int) -> bytes:
    """Floats in packed form."""
    dims = b"".join(bytes([size]) for size in shape)
    return field(5, struct.pack(f"<{values}f", *range(values))) + field(7, field(1, dims))


def weights() -> bytes:
    """The caffemodel of the network."""
    conv = field(1, b"conv") + field(7, blob(4, 3, 3, 3, values=108)) + field(7, blob(4, values=4))
    return field(1, b"small") + field(100, conv) + field(100, field(1, b"fc") + field(7, blob(5, 16, values=80)))


def operator(kind: str, inputs: tuple[str, ...], outputs: tuple[str, ...], arguments: bytes = b"") -> bytes:
    """One operator of a NetDef."""
    taken = b"".join(field(1, name.encode()) for name in inputs)
    return field(2, taken + b"".join(field(2, name.encode()) for name in outputs) + field(4, kind.encode()) + arguments)


def fill(name: str, *shape: int, kind: str = "GivenTensorFill", values: int = 0) -> bytes:
    """An operator that fills a weight. Each float is a field, as proto2 writes them."""
    dims = field(5, field(1, b"shape") + b"".join(field(6, size) for size in shape))
    floats = b"".join(varint(5 << 3 | 5) + struct.pack("<f", number) for number in range(values))
    return operator(kind, (), (name,), dims + field(5, field(1, b"values") + floats))


def init_net() -> bytes:
    """Operators that fill the weights of a layer of four by three."""
    return field(1, b"init") + fill("w", 3, 4, values=12) + fill("b", 3, values=3)


def predict_net() -> bytes:
    """A layer and a softmax."""
    ends = b"".join(field(7, name) for name in (b"data", b"w", b"b")) + field(8, b"softmax")
    layers = operator("FC", ("data", "w", "b"), ("fc",)) + operator("Softmax", ("fc",), ("softmax",))
    return field(1, b"predict") + layers + ends
