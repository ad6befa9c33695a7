"""ONNX to smaller ONNX, and to OpenVINO. Needs the toolchains onnx and openvino."""

from collections.abc import Callable
from pathlib import Path

import pytest

from modelconversion.errors import ConversionError
from modelconversion.toolchains.store import ToolchainStore
from modelformats.catalogue import extract_signature
from toolchains.conversions import Conversion, check, signature

pytestmark = pytest.mark.timeout(600)  # the first run installs toolchains

VECTOR = signature(x=("float32", ("batch", 32)))
IMAGE = signature(x=("float32", ("batch", 3, 16, 16)))


@pytest.fixture
def onnx_models(models: Callable[[str, str], Path]) -> Path:
    return models("onnx", "onnx_models")


@pytest.mark.parametrize(
    ("conversion", "largest"),
    [
        (Conversion("perceptron", "ONNX", "OpenVINO", VECTOR), 1e-5),
        (Conversion("convolution", "ONNX", "OpenVINO", IMAGE), 1e-5),
        (Conversion("external", "ONNX", "OpenVINO", VECTOR), 1e-5),
        (Conversion("perceptron", "ONNX", "OpenVINO", VECTOR, {"compress_to_fp16": "true"}), 5e-3),
        (Conversion("perceptron", "ONNX", "ONNX", VECTOR, {"quantize": "fp16"}), 5e-3),
        (Conversion("external", "ONNX", "ONNX", VECTOR, {"quantize": "fp16"}), 5e-3),
        (Conversion("perceptron", "ONNX", "ONNX", VECTOR, {"quantize": "int8"}), 0.05),
        (Conversion("convolution", "ONNX", "ONNX", IMAGE, {"quantize": "int8"}), 0.05),
        (Conversion("external", "ONNX", "ONNX", VECTOR, {"quantize": "int8"}), 0.05),
    ],
    ids=str,
)
async def test_a_model_predicts_the_same_in_its_new_format(
    conversion: Conversion, largest: float, onnx_models: Path, tmp_path: Path, toolchains: ToolchainStore
) -> None:
    check(await conversion.run(onnx_models / conversion.model, tmp_path, toolchains), largest=largest)


@pytest.mark.parametrize(("kind", "share"), [("int8", 0.45), ("fp16", 0.6)])
async def test_a_quantised_model_is_smaller_and_keeps_its_inputs_and_outputs(
    kind: str, share: float, onnx_models: Path, tmp_path: Path, toolchains: ToolchainStore
) -> None:
    source = onnx_models / "perceptron"
    await Conversion("perceptron", "ONNX", "ONNX", VECTOR, {"quantize": kind}).run(source, tmp_path, toolchains)
    sizes = [(directory / "model.onnx").stat().st_size for directory in (source, tmp_path)]
    assert sizes[1] < share * sizes[0]
    before, after = extract_signature("ONNX", source), extract_signature("ONNX", tmp_path)
    assert before.inputs == after.inputs
    assert [tensor.name for tensor in before.outputs] == [tensor.name for tensor in after.outputs]


@pytest.mark.parametrize(
    ("conversion", "code", "message"),
    [
        pytest.param(
            Conversion("nothing", "ONNX", "ONNX", VECTOR, {"quantize": "int8"}),
            "unsupported_operator",
            "no weights that can be quantised",
            id="nothing to quantise",
        ),
        pytest.param(
            Conversion("perceptron", "ONNX", "ONNX", VECTOR, {"quantize": "int3"}),
            "invalid_model",
            "int8 or fp16, not 'int3'",
            id="unknown kind",
        ),
        pytest.param(
            Conversion("foreign", "ONNX", "OpenVINO", VECTOR), "unsupported_operator", "Mystery", id="operator"
        ),
        pytest.param(
            Conversion("damaged", "ONNX", "OpenVINO", VECTOR), "invalid_model", "OpenVINO cannot read", id="openvino"
        ),
        pytest.param(
            Conversion("damaged", "ONNX", "ONNX", VECTOR, {"quantize": "fp16"}),
            "invalid_model",
            "model.onnx cannot be read",
            id="damaged",
        ),
    ],
)
async def test_an_unsupported_conversion_is_refused_with_the_reason(
    conversion: Conversion, code: str, message: str, onnx_models: Path, tmp_path: Path, toolchains: ToolchainStore
) -> None:
    with pytest.raises(ConversionError, match=message) as caught:
        await conversion.run(onnx_models / conversion.model, tmp_path, toolchains)
    assert caught.value.code == code
