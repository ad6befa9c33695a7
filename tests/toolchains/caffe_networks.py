"""Caffe networks with random weights, for each supported layer."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from modelconversion.programs.caffe.nets import NET

INPUT = 'input: "data" input_shape { dim: 2 dim: 4 dim: 11 dim: 9 }\n'
PAIR = INPUT + 'input: "other" input_shape { dim: 2 dim: 4 dim: 11 dim: 9 }\n'
ROWS = 'layer { name: "rows" type: "Input" top: "data" input_param { shape { dim: 3 dim: 12 } } }\n'
OLD = 'input: "data" input_dim: 2 input_dim: 4 input_dim: 11 input_dim: 9\n'

Blobs = dict[str, list[tuple[int, ...]]]


def layer(kind: str, options: str = "", *, name: str = "it", bottom: Sequence[str] = ("data",), top: str = "it") -> str:
    """One layer of the second generation."""
    bottoms = " ".join(f'bottom: "{each}"' for each in bottom)
    return f'layer {{ name: "{name}" type: "{kind}" {bottoms} top: "{top}" {options} }}\n'


def pooling(options: str) -> tuple[str, Blobs]:
    """One pooling layer."""
    return INPUT + layer("Pooling", f"pooling_param {{ {options} }}"), {}


def eltwise(options: str) -> tuple[str, Blobs]:
    """One layer of two inputs."""
    return PAIR + layer("Eltwise", f"eltwise_param {{ {options} }}", bottom=["data", "other"]), {}


NETWORKS: dict[str, tuple[str, Blobs]] = {
    "convolution": (
        INPUT
        + layer("Convolution", "convolution_param { num_output: 6 kernel_size: 3 stride: 2 pad: 1 group: 2 }")
        + layer("ReLU", bottom=["it"])
        + layer("InnerProduct", "inner_product_param { num_output: 5 }", name="fc", bottom=["it"], top="fc")
        + layer("Softmax", name="prob", bottom=["fc"], top="prob"),
        {"it": [(6, 2, 3, 3), (6,)], "fc": [(5, 180), (5,)]},
    ),
    "dilated": (
        INPUT
        + layer("Convolution", "convolution_param { num_output: 3 kernel_h: 3 kernel_w: 2 dilation: 2 bias_term: 0 }"),
        {"it": [(3, 4, 3, 2)]},
    ),
    "deconvolution": (
        INPUT + layer("Deconvolution", "convolution_param { num_output: 3 kernel_size: 4 stride: 2 pad: 1 }"),
        {"it": [(4, 3, 4, 4), (3,)]},
    ),
    "largest": pooling("pool: MAX kernel_size: 3 stride: 2 pad: 1"),
    "largest-unpadded": pooling("pool: MAX kernel_size: 2 stride: 2"),
    "average": pooling("pool: AVE kernel_size: 2 stride: 2"),
    "average-padded": pooling("pool: AVE kernel_size: 3 stride: 1 pad: 1"),
    "global": pooling("pool: AVE global_pooling: true"),
    "normalised": (
        INPUT
        + layer("BatchNorm", "batch_norm_param { eps: 0.001 }")
        + layer("Scale", "scale_param { bias_term: true }", name="scale", bottom=["it"], top="scale"),
        {"it": [(4,), (4,), (1,)], "scale": [(4,), (4,)]},
    ),
    "response": (INPUT + layer("LRN", "lrn_param { local_size: 3 alpha: 0.5 beta: 0.75 }"), {}),
    "channels": (INPUT + layer("Softmax"), {}),
    "leaky": (INPUT + layer("ReLU", "relu_param { negative_slope: 0.1 }"), {}),
    "slopes": (INPUT + layer("PReLU"), {"it": [(4,)]}),
    "exponential": (INPUT + layer("ELU", "elu_param { alpha: 1 }"), {}),
    "sigmoid": (INPUT + layer("Sigmoid"), {}),
    "tangent": (INPUT + layer("TanH") + layer("Dropout", name="drop", bottom=["it"], top="drop"), {}),
    "absolute": (INPUT + layer("AbsVal"), {}),
    "power": (INPUT + layer("Power", "power_param { power: 2 scale: 0.5 shift: 1 }"), {}),
    "sum": eltwise("operation: SUM coeff: 1 coeff: -0.5"),
    "product": eltwise("operation: PROD"),
    "maximum": eltwise("operation: MAX"),
    "joined": (
        PAIR + layer("Concat", bottom=["data", "other"]) + layer("Flatten", name="flat", bottom=["it"], top="flat"),
        {},
    ),
    "shaped": (INPUT + layer("Reshape", "reshape_param { shape { dim: 2 dim: 2 dim: -1 dim: 9 } }"), {}),
    "permuted": (INPUT + layer("Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }"), {}),
    "sliced": (
        INPUT
        + 'layer { name: "it" type: "Slice" bottom: "data" top: "a" top: "b" slice_param { slice_point: 1 } }\n'
        + 'layer { name: "two" type: "Split" bottom: "b" top: "c" top: "d" }\n'
        + layer("Concat", name="all", bottom=["c", "a", "d"], top="all"),
        {},
    ),
    "table": (
        ROWS
        + layer("InnerProduct", "inner_product_param { num_output: 4 bias_term: false }")
        + layer("Scale", name="scale", bottom=["it"], top="scale"),
        {"it": [(4, 12)], "scale": [(4,)]},
    ),
    "unknown": (INPUT + layer("Embed", "embed_param { num_output: 4 }"), {}),
    "stochastic": pooling("pool: STOCHASTIC kernel_size: 2"),
    "shapeless": ('input: "data"\n' + layer("ReLU"), {}),
    "weightless": (INPUT + layer("Convolution", "convolution_param { num_output: 3 kernel_size: 3 }"), {}),
    "first-generation": (
        OLD
        + 'layers { name: "it" type: CONVOLUTION bottom: "data" top: "it"'
        + " convolution_param { num_output: 3 kernel_size: 3 } }\n"
        + 'layers { name: "relu" type: RELU bottom: "it" top: "it" }\n'
        + 'layers { name: "fc" type: INNER_PRODUCT bottom: "it" top: "fc" inner_product_param { num_output: 2 } }\n',
        {"it": [(3, 4, 3, 3), (1, 1, 1, 3)], "fc": [(1, 1, 2, 189), (1, 1, 1, 2)]},
    ),
}


def make(name: str, directory: Path) -> Path:
    """Write a network and random weights for it; those of normalisations are positive."""
    text, blobs = NETWORKS[name]
    random = np.random.default_rng(7)
    net = NET()
    is_old = "layers {" in text
    for named in dict.fromkeys(re.findall(r'name: "(\w+)"', text)):
        shapes = blobs.get(named, [])
        added = (net.old_layers if is_old else net.layers).add(name=named)
        for shape in shapes:
            signs = 1 if "BatchNorm" in text else random.choice([-1, 1], shape)
            blob = added.blobs.add(data=(random.uniform(0.2, 1.0, shape) * signs).reshape(-1).tolist())
            if is_old:
                blob.num, blob.channels, blob.height, blob.width = (1,) * (4 - len(shape)) + shape
            else:
                blob.shape.dim.extend(shape)
    directory.mkdir(parents=True)
    (directory / "net.prototxt").write_text(text)
    (directory / "net.caffemodel").write_bytes(net.SerializeToString())
    return directory
