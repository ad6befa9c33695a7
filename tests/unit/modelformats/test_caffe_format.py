"""Parsing Caffe models."""

import struct
from pathlib import Path

import pytest

from kleverproto.signatures import Parameters, Signature
from modelfiles.protobuf.text import DEPTH_LIMIT, SIZE_LIMIT
from modelformats import InvalidModelError, detect_format, extract_signature, validate_layout
from support import caffe_models
from support.model_files import write
from support.protobufs import field, varint

IMAGE = 'input: "data" input_dim: 1 input_dim: 3 input_dim: 10 input_dim: 8\n'


def extracted(directory: Path, network: str, weights: bytes | None = None) -> Signature:
    write(directory, "model.caffemodel", caffe_models.weights() if weights is None else weights)
    return extract_signature("CaffeModel", write(directory, "model.prototxt", network))


def layer(kind: str, options: str = "", bottoms: str = 'bottom: "data"') -> str:
    return f'layer {{ name: "{kind}" type: "{kind}" {bottoms} top: "out" {options} }}\n'


def test_a_network_and_its_weights_are_read(tmp_path: Path) -> None:
    signature = extracted(tmp_path, caffe_models.NETWORK)
    assert [(t.name, t.dtype, t.shape) for t in signature.inputs] == [("data", "float32", (1, 3, 9, 9))]
    assert [(t.name, t.dtype, t.shape) for t in signature.outputs] == [("prob", "float32", (1, 5))]
    kinds = ("Convolution", "InnerProduct", "Input", "Pooling", "ReLU", "Softmax")
    assert signature.operators == dict.fromkeys(kinds, 1)
    assert signature.parameters == Parameters(count=192, bytes_by_dtype={"float32": 768})
    assert signature.details == {"network": "small", "network_file": "model.prototxt"}
    assert signature.framework == "Caffe"


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        (layer("Convolution", "convolution_param { num_output: 2 kernel_h: 3 kernel_w: 1 pad: 1 }"), (1, 2, 10, 10)),
        (layer("Convolution", "convolution_param { num_output: 2 kernel_size: [3, 5] dilation: 2 }"), (1, 2, 6, 0)),
        (layer("Deconvolution", "convolution_param { num_output: 2 kernel_size: 4 stride: 2 pad: 1 }"), (1, 2, 20, 16)),
        (layer("Pooling", "pooling_param { kernel_size: 3 stride: 2 }"), (1, 3, 5, 4)),
        (layer("Pooling", "pooling_param { kernel_size: 2 stride: 2 pad: 1 }"), (1, 3, 6, 5)),
        (layer("Pooling", "pooling_param { global_pooling: true }"), (1, 3, 1, 1)),
        (layer("Concat", "", 'bottom: "data" bottom: "data"'), (1, 6, 10, 8)),
        (layer("Concat", "concat_param { axis: 2 }", 'bottom: "data" bottom: "label"'), None),
        (layer("Flatten"), (1, 240)),
        (layer("InnerProduct", "inner_product_param { num_output: 7 axis: 2 }"), (1, 3, 7)),
        (layer("Reshape"), None),
        (layer("Softmax", "", 'bottom: "reshaped"'), None),
    ],
    ids=lambda value: value.split('"')[1] if isinstance(value, str) else "",
)
def test_the_shape_of_the_output_follows_from_the_layers(
    tmp_path: Path, layers: str, shape: tuple[int, ...] | None
) -> None:
    signature = extracted(tmp_path, IMAGE + layers)
    assert {tensor.name: tensor.shape for tensor in signature.outputs}["out"] == shape
    assert ("outputs" in signature.unknown) == (shape is None)


def test_layers_of_the_first_generation_are_read(tmp_path: Path) -> None:
    network = (
        IMAGE
        + """
        layers { name: "r" type: RELU bottom: "data" top: "data" }
        layers { name: "f" type: INNER_PRODUCT bottom: "data" top: "f" inner_product_param { num_output: 2 } }
        layers { name: "n" type: LRN bottom: "f" top: "n" } layers { name: "s" type: SOFTMAX bottom: "n" top: "s" }"""
    )
    blob = field(1, 1) + field(2, 1) + field(3, 2) + field(4, 240)
    signature = extracted(tmp_path, network, field(2, field(4, b"f") + field(6, blob)))
    assert signature.operators == {"InnerProduct": 1, "LRN": 1, "ReLU": 1, "Softmax": 1}
    assert signature.outputs[0].shape == (1, 2)
    assert signature.parameters
    assert signature.parameters.count == 480


def test_quotes_in_a_text_are_part_of_it(tmp_path: Path) -> None:
    network = 'name: "a \\" layer { b" ' + caffe_models.NETWORK.replace('name: "small"', "")
    assert extracted(tmp_path, network).details["network"] == 'a \\" layer { b'


def test_inputs_have_a_shape_each_or_the_reason_why_not(tmp_path: Path) -> None:
    network = """input: "a" input: "b" input_shape { dim: 1 dim: 2 } input_shape { dim: 3 }
        layer { name: "d" type: "Data" top: "c" } layer { name: "e" type: "Eltwise" bottom: "a" top: "out" }"""
    signature = extracted(tmp_path, network)
    assert [(t.name, t.shape) for t in signature.inputs] == [("a", (1, 2)), ("b", (3,)), ("c", None)]
    assert "data set" in signature.unknown["inputs"]


def test_weights_of_double_precision_are_reported(tmp_path: Path) -> None:
    blob = field(7, field(8, struct.pack("<3d", 1, 2, 3)) + field(7, field(1, b"\x03")))
    parameters = extracted(tmp_path, caffe_models.NETWORK, field(100, blob)).parameters
    assert parameters == Parameters(count=3, bytes_by_dtype={"float64": 24})


def test_large_weights_are_not_read(tmp_path: Path) -> None:
    size = 6 * 1024**3
    shape = field(7, field(1, b"\x02"))
    data = varint(5 << 3 | 2) + varint(size)
    blob = varint(7 << 3 | 2) + varint(len(shape) + len(data) + size) + shape + data
    head = varint(100 << 3 | 2) + varint(len(blob) + size) + blob
    write(tmp_path, "model.prototxt", caffe_models.NETWORK)
    with (write(tmp_path, "model.caffemodel", head) / "model.caffemodel").open("ab") as file:
        file.truncate(len(head) + size)
    parameters = extract_signature("CaffeModel", tmp_path).parameters
    assert parameters == Parameters(count=size // 4, bytes_by_dtype={"float32": size})


def test_the_deployment_network_is_read_if_there_are_several(tmp_path: Path) -> None:
    write(tmp_path, "solver.prototxt", "net: 'x'")
    write(tmp_path, "net_deploy.prototxt", caffe_models.NETWORK)
    write(tmp_path, "net.caffemodel", caffe_models.weights())
    assert detect_format(tmp_path) == "CaffeModel"
    assert extract_signature("CaffeModel", tmp_path).details["network_file"] == "net_deploy.prototxt"


@pytest.mark.parametrize(("present", "missing"), [("a.caffemodel", "*.prototxt"), ("a.prototxt", "*.caffemodel")])
def test_the_missing_file_is_named(tmp_path: Path, present: str, missing: str) -> None:
    with pytest.raises(InvalidModelError) as failure:
        validate_layout("CaffeModel", write(tmp_path, present, b"x"))
    assert f"there is no {missing}" in str(failure.value)


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        ("", "no layers"),
        ("net: 'a' base_lr: 0.1", "no layers"),
        ("layer {", "ends within a message"),
        ("layer { } }", "did not open"),
        ("layer { name: }", "name has no value"),
        ("layer { name: [1, ", "name has no value"),
        ("layer: { 'name': 1 }", "in the place of a field's name"),
        ("layer { name: \x00 }", "which is not valid protobuf text"),
        ("a {" * (DEPTH_LIMIT + 1), "too deep"),
        ("#" * (SIZE_LIMIT + 1), "longer than"),
    ],
    ids=["empty", "solver", "open", "closed", "value", "list", "name", "binary", "deep", "long"],
)
def test_an_invalid_network_is_refused(tmp_path: Path, network: str, reason: str) -> None:
    with pytest.raises(InvalidModelError, match=rf"model\.prototxt.*{reason}"):
        extracted(tmp_path, network)


@pytest.mark.parametrize("weights", [b"", b"\x0a\x01x", caffe_models.weights()[:-5]], ids=["empty", "bare", "cut-off"])
def test_invalid_weights_are_refused(tmp_path: Path, weights: bytes) -> None:
    with pytest.raises(InvalidModelError, match=r"model\.caffemodel"):
        extracted(tmp_path, caffe_models.NETWORK, weights)
