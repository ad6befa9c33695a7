"""PyTorch. Needs the toolchains torch and onnx."""

from collections.abc import Callable
from pathlib import Path

import pytest

from modelconversion.errors import ConversionError
from modelconversion.toolchains.store import ToolchainStore
from modelformats.catalogue import extract_signature
from toolchains.conversions import Conversion, check, signature

pytestmark = pytest.mark.timeout(900)  # the first run installs toolchains

IMAGE = signature(image=("float32", ("batch", 3, 8, 8)))
TWO = signature(x=("float32", (-1, 4)), y=("float32", (-1, 5)))


@pytest.fixture
def torch_models(models: Callable[[str, str], Path]) -> Path:
    return models("torch", "torch_models")


@pytest.mark.parametrize(
    "conversion",
    [
        Conversion("traced", "TorchScript", "ONNX", IMAGE, {"opset": "13"}),
        Conversion("scripted", "TorchScript", "ONNX", TWO),
    ],
    ids=str,
)
async def test_a_script_predicts_the_same_as_onnx(
    conversion: Conversion, torch_models: Path, tmp_path: Path, toolchains: ToolchainStore
) -> None:
    check(await conversion.run(torch_models / conversion.model, tmp_path, toolchains), largest=1e-5)
    result = extract_signature("ONNX", tmp_path)
    assert [tensor.name for tensor in result.inputs] == [tensor.name for tensor in conversion.signature.inputs]
    assert all(isinstance((tensor.shape or (1,))[0], str) for tensor in result.inputs)


async def test_an_exported_program_predicts_the_same_as_onnx(
    torch_models: Path, tmp_path: Path, toolchains: ToolchainStore
) -> None:
    conversion = Conversion("exported", "ExportedProgram", "ONNX", IMAGE)
    check(await conversion.run(torch_models / "exported", tmp_path, toolchains), largest=1e-5)


@pytest.mark.parametrize(
    "conversion",
    [
        Conversion("scripted", "TorchScript", "OpenVINO", TWO),
        Conversion("exported", "ExportedProgram", "OpenVINO", IMAGE),
    ],
    ids=str,
)
async def test_a_model_predicts_the_same_in_openvino(
    conversion: Conversion, torch_models: Path, tmp_path: Path, toolchains: ToolchainStore
) -> None:
    check(await conversion.run(torch_models / conversion.model, tmp_path, toolchains), largest=1e-5)


@pytest.mark.parametrize(
    ("conversion", "code", "message"),
    [
        pytest.param(
            Conversion("traced", "TorchScript", "ONNX", signature()),
            "input_shape_needed",
            "does not describe its inputs",
            id="no inputs",
        ),
        pytest.param(
            Conversion("scripted", "TorchScript", "ONNX", signature(x=("float32", (-1, 4)))),
            "input_shape_needed",
            r"takes 3 inputs \(x, y, k\), 1 are declared",
            id="one missing",
        ),
        pytest.param(
            Conversion("scripted", "TorchScript", "ONNX", signature(x=("float32", (-1, 7)), y=("float32", (-1, 5)))),
            "input_shape_needed",
            "does not run on the declared inputs",
            id="wrong shape",
        ),
        pytest.param(
            Conversion("foreign", "TorchScript", "ONNX", signature(x=("float32", (-1, 4)))),
            "unsupported_operator",
            "special_i1",
            id="operator",
        ),
    ],
)
async def test_an_unsupported_conversion_is_refused_with_the_reason(
    conversion: Conversion, code: str, message: str, torch_models: Path, tmp_path: Path, toolchains: ToolchainStore
) -> None:
    with pytest.raises(ConversionError, match=message) as caught:
        await conversion.run(torch_models / conversion.model, tmp_path, toolchains)
    assert caught.value.code == code
