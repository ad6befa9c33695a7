"""MXNet. Needs the toolchains mxnet and onnx."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kleverproto.signatures import Signature
from modelconversion.errors import ConversionError
from modelconversion.toolchains.store import ToolchainStore
from modelformats.catalogue import extract_signature
from toolchains.conversions import Conversion, check, signature

pytestmark = pytest.mark.timeout(900)  # the first run installs toolchains

TABLE = signature(data=("float32", (-1, 4)))
IMAGES = signature(data=("float32", (-1, 3, 12, 12)))


@pytest.fixture
def mxnet_models(models: Callable[[str, str], Path]) -> Path:
    return models("mxnet", "mxnet_models")


@pytest.mark.parametrize(
    ("model", "declared", "outputs"),
    [
        ("classifier", TABLE, [("batch", 3)]),
        ("regressor", TABLE, [("batch", 3)]),
        ("logistic", TABLE, [("batch", 3)]),
        ("gluon", IMAGES, [("batch", 5)]),
        ("gluon", signature(data=("float32", ("n", 3, "height", "width"))), [("batch", 5)]),
        ("gluon", signature(image=("float32", (2, 3, 9, 9))), [(2, 5)]),
        (
            "two-in-two-out",
            signature(other=("float32", (-1, 5)), data=("float32", (-1, 4))),
            [("batch", 1), ("batch", 3)],
        ),
    ],
    ids=["softmax", "linear", "logistic", "cnn", "cnn-of-any-size", "cnn-of-one-size", "two-in-two-out"],
)
async def test_a_checkpoint_predicts_the_same_as_onnx(
    model: str,
    declared: Signature,
    outputs: list[tuple[int | str, ...]],
    mxnet_models: Path,
    tmp_path: Path,
    toolchains: ToolchainStore,
) -> None:
    record = await Conversion(model, "MXNetParams", "ONNX", declared).run(mxnet_models / model, tmp_path, toolchains)
    check(record, largest=1e-5)
    assert [tensor.shape for tensor in extract_signature("ONNX", tmp_path).outputs] == outputs


async def test_a_checkpoint_predicts_the_same_in_openvino(
    mxnet_models: Path, tmp_path: Path, toolchains: ToolchainStore
) -> None:
    conversion = Conversion("classifier", "MXNetParams", "OpenVINO", TABLE)
    check(await conversion.run(mxnet_models / "classifier", tmp_path, toolchains), largest=1e-5)


@pytest.mark.parametrize(
    ("model", "declared", "code", "message"),
    [
        ("gluon", Signature(), "input_shape_needed", "declare data"),
        ("gluon", signature(data=("float32", (-1, 5, 12, 12))), "input_shape_needed", "do not fit"),
        ("foreign", TABLE, "unsupported_operator", "erfinv"),
        ("damaged", IMAGES, "invalid_model", "model-0000.params"),
    ],
    ids=["no-shape", "wrong-shape", "foreign-operator", "damaged"],
)
async def test_a_refusal_names_the_cause(  # noqa: PLR0917  # parameters and fixtures
    model: str,
    declared: Signature,
    code: str,
    message: str,
    mxnet_models: Path,
    tmp_path: Path,
    toolchains: ToolchainStore,
) -> None:
    with pytest.raises(ConversionError, match=message) as caught:
        await Conversion(model, "MXNetParams", "ONNX", declared).run(mxnet_models / model, tmp_path, toolchains)
    assert caught.value.code == code
