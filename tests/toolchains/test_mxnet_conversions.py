"""MXNet. Needs the toolchains mxnet and onnx."""

from collections.abc import Callable
from pathlib import Path

import pytest

from modelformats.catalogue import extract_signature
from modelformats.converting.errors import ConversionError
from modelformats.converting.toolchains import ToolchainStore
from toolchains.conversions import Conversion, check, signature

pytestmark = pytest.mark.timeout(900)  # the first run installs

TABLE = signature(data=("float32", (-1, 4)))


@pytest.fixture
def mxnet_models(models: Callable[[str, str], Path]) -> Path:
    return models("mxnet", "mxnet_models")


@pytest.mark.parametrize(
    "conversion",
    [
        Conversion("gluon", "MXNetParams", "ONNX", signature(data=("float32", (-1, 1, 12, 12)))),
        Conversion("softmax", "MXNetParams", "ONNX", TABLE),
        Conversion("regression", "MXNetParams", "ONNX", TABLE),
        Conversion("softmax", "MXNetParams", "ONNX", signature(data=("float32", (5, 4)))),
    ],
    ids=["gluon", "softmax", "regression", "fixed-batch"],
)
async def test_a_checkpoint_does_the_same_as_onnx(
    conversion: Conversion, mxnet_models: Path, tmp_path: Path, toolchains: ToolchainStore
) -> None:
    check(await conversion.run(mxnet_models / conversion.model, tmp_path, toolchains), largest=1e-5)
    (found,) = extract_signature("ONNX", tmp_path).inputs
    declared = (conversion.signature.inputs[0].shape or ())[0]
    assert isinstance((found.shape or (0,))[0], str) == (declared == -1)


@pytest.mark.parametrize(
    ("conversion", "code", "message"),
    [
        (Conversion("softmax", "MXNetParams", "ONNX", signature()), "input_shape_needed", "declare data in ormbfile"),
        (
            Conversion("softmax", "MXNetParams", "ONNX", signature(data=("float32", (-1, 5)))),
            "input_shape_needed",
            "does not take inputs of the declared shapes",
        ),
        (Conversion("foreign", "MXNetParams", "ONNX", TABLE), "unsupported_operator", "erfinv"),
    ],
    ids=["no-shape", "wrong-shape", "operator"],
)
async def test_what_cannot_be_converted_is_refused_with_the_reason(
    conversion: Conversion, code: str, message: str, mxnet_models: Path, tmp_path: Path, toolchains: ToolchainStore
) -> None:
    with pytest.raises(ConversionError, match=message) as caught:
        await conversion.run(mxnet_models / conversion.model, tmp_path, toolchains)
    assert caught.value.code == code


async def test_a_damaged_file_is_an_error_of_the_model(tmp_path: Path, toolchains: ToolchainStore) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "m-symbol.json").write_text('{"nodes": 3}')
    (tmp_path / "model" / "m-0000.params").write_bytes(b"nothing")
    (tmp_path / "out").mkdir()
    with pytest.raises(ConversionError) as caught:
        await Conversion("damaged", "MXNetParams", "ONNX", TABLE).run(tmp_path / "model", tmp_path / "out", toolchains)
    assert caught.value.code == "invalid_model"
