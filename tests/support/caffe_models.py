"""A small Caffe network and its weights, as Caffe lays them out."""

import struct

from support.protobufs import field

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
    """Floats, packed."""
    dims = b"".join(bytes([size]) for size in shape)
    return field(5, struct.pack(f"<{values}f", *range(values))) + field(7, field(1, dims))


def weights() -> bytes:
    """The caffemodel of the network."""
    conv = field(1, b"conv") + field(7, blob(4, 3, 3, 3, values=108)) + field(7, blob(4, values=4))
    return field(1, b"small") + field(100, conv) + field(100, field(1, b"fc") + field(7, blob(5, 16, values=80)))
