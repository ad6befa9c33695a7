"""Caffe and Caffe2, with our own converters. Needs the toolchains onnx, and caffe (OpenCV) to check against."""

from pathlib import Path

import numpy as np
import pytest

from modelconversion.errors import ConversionError
from modelconversion.programs.netdef.nets import Net, Operator, write_net
from modelconversion.toolchains.store import ToolchainStore
from modelformats.catalogue import extract_signature
from toolchains.caffe_networks import NETWORKS, make
from toolchains.conversions import Conversion, check, signature

pytestmark = pytest.mark.timeout(900)  # the first run installs toolchains

REFUSED = {"unknown", "stochastic", "shapeless", "weightless"}
IMAGE = signature(data=("float32", (-1, 2, 7, 6)))
NETS = {
    "legacy-pool": [Operator("AveragePool", ("data",), ("y",), {"kernel": 3, "stride": 2, "legacy_pad": 3})],
    "enlarged": [Operator("ResizeNearest", ("data",), ("y",), {"height_scale": 2.0, "width_scale": 3.0})],
    "in-place": [Operator("Relu", ("data",), ("y",)), Operator("Sigmoid", ("y",), ("y",))],
    "divided": [
        Operator("Sigmoid", ("data",), ("half",)),
        Operator("Sub", ("data", "half"), ("less",)),
        Operator("Div", ("less", "half"), ("y",)),
    ],
}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    directory = tmp_path / "made"
    directory.mkdir()
    return directory


def place(name: str, directory: Path) -> Path:
    """A net without weights."""
    directory.mkdir()
    net = Net(NETS[name], {}, ["data"], ["y"])
    write_net(net, {"data": (1, 2, 7, 6)}, directory)
    (directory / "value_info.json").unlink()
    return directory


@pytest.mark.parametrize("name", sorted(NETWORKS.keys() - REFUSED))
async def test_a_network_predicts_the_same_as_onnx(
    name: str, tmp_path: Path, made: Path, toolchains: ToolchainStore
) -> None:
    directory = make(name, tmp_path / "caffe")
    declared = extract_signature("CaffeModel", directory)
    check(await Conversion(name, "CaffeModel", "ONNX", declared).run(directory, made, toolchains), largest=1e-5)
    result = extract_signature("ONNX", made)
    assert [t.name for t in result.inputs] == [t.name for t in declared.inputs]
    assert isinstance((result.inputs[0].shape or (0,))[0], str)


@pytest.mark.parametrize("name", ["convolution", "average-padded", "joined"])
async def test_a_network_predicts_the_same_as_a_netdef(
    name: str, tmp_path: Path, made: Path, toolchains: ToolchainStore
) -> None:
    directory = make(name, tmp_path / "caffe")
    declared = extract_signature("CaffeModel", directory)
    check(await Conversion(name, "CaffeModel", "NetDef", declared).run(directory, made, toolchains), largest=1e-5)
    result = extract_signature("NetDef", made)
    assert [(t.name, t.shape) for t in result.inputs] == [(t.name, t.shape) for t in declared.inputs]


async def test_a_network_and_a_net_predict_the_same_in_openvino(
    tmp_path: Path, made: Path, toolchains: ToolchainStore
) -> None:
    directory = make("convolution", tmp_path / "caffe")
    declared = extract_signature("CaffeModel", directory)
    check(
        await Conversion("convolution", "CaffeModel", "OpenVINO", declared).run(directory, made, toolchains),
        largest=1e-5,
    )
    (other := tmp_path / "other").mkdir()
    net = Conversion("divided", "NetDef", "OpenVINO", IMAGE)
    check(await net.run(place("divided", tmp_path / "netdef"), other, toolchains), largest=1e-5)


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("unknown", "unsupported_operator", "the layer it is a Embed, which has no conversion; these have: AbsVal"),
        ("stochastic", "unsupported_operator", "the layer it: STOCHASTIC pooling has no conversion"),
        ("shapeless", "input_shape_needed", "does not declare the shape of its inputs"),
        ("weightless", "invalid_model", "has 0 blobs for the layer it, not 2"),
    ],
)
async def test_an_unsupported_network_is_refused_with_the_reason(
    name: str, code: str, message: str, tmp_path: Path, made: Path, toolchains: ToolchainStore
) -> None:
    directory = make(name, tmp_path / "caffe")
    declared = extract_signature("CaffeModel", directory)
    with pytest.raises(ConversionError, match=message) as caught:
        await Conversion(name, "CaffeModel", "ONNX", declared).run(directory, made, toolchains)
    assert caught.value.code == code


async def test_a_damaged_caffemodel_is_an_error_of_the_model(
    tmp_path: Path, made: Path, toolchains: ToolchainStore
) -> None:
    directory = make("convolution", tmp_path / "caffe")
    declared = extract_signature("CaffeModel", directory)
    (directory / "net.caffemodel").write_bytes(b"\xff" * 100)
    with pytest.raises(ConversionError, match="not a caffemodel") as caught:
        await Conversion("damaged", "CaffeModel", "ONNX", declared).run(directory, made, toolchains)
    assert caught.value.code == "invalid_model"


@pytest.mark.parametrize("name", sorted(NETS))
async def test_a_net_predicts_the_same_as_onnx(
    name: str, tmp_path: Path, made: Path, toolchains: ToolchainStore
) -> None:
    directory = place(name, tmp_path / "netdef")
    check(await Conversion(name, "NetDef", "ONNX", IMAGE).run(directory, made, toolchains), largest=1e-5)


async def test_a_net_without_shapes_requires_them(tmp_path: Path, made: Path, toolchains: ToolchainStore) -> None:
    directory = place("in-place", tmp_path / "netdef")
    with pytest.raises(ConversionError, match="declare data in ormbfile") as caught:
        await Conversion("in-place", "NetDef", "ONNX", signature()).run(directory, made, toolchains)
    assert caught.value.code == "input_shape_needed"


async def test_a_net_whose_inputs_are_filled_requires_their_names(
    tmp_path: Path, made: Path, toolchains: ToolchainStore
) -> None:
    tmp_path.joinpath("netdef").mkdir()
    net = Net([Operator("Relu", ("x",), ("y",))], {"x": np.ones((1, 3), np.float32)}, [], ["y"])
    write_net(net, {}, tmp_path / "netdef")
    with pytest.raises(ConversionError, match=r"fills all inputs of the net \(x\)") as caught:
        await Conversion("filled", "NetDef", "ONNX", signature()).run(tmp_path / "netdef", made, toolchains)
    assert caught.value.code == "input_shape_needed"
    declared = signature(x=("float32", (-1, 3)))
    check(
        await Conversion("filled", "NetDef", "ONNX", declared).run(tmp_path / "netdef", made, toolchains), largest=1e-5
    )
