"""TensorFlow, Keras and TensorFlow Lite. Needs the toolchains tf and onnx."""

from collections.abc import Callable
from pathlib import Path

import pytest

from modelconversion.checks.verification import Programs, Subject, verify
from modelconversion.errors import ConversionError
from modelconversion.execution import Limits
from modelconversion.pairs import EXACT
from modelconversion.toolchains.store import OnLine, ToolchainStore
from modelconversion.workshop import Workshop
from modelformats.catalogue import detect_format, extract_signature
from toolchains.conversions import Conversion, check, signature

pytestmark = pytest.mark.timeout(900)  # the first run installs toolchains

IMAGE = signature(image=("float32", (-1, 12, 12, 1)))
SQUARE = signature(image=("float32", (-1, 8, 8)))
VECTOR = signature(x=("float32", (-1, 8)))
DICTIONARY = signature(zeta=("float32", (-1, 3)), alpha=("float32", (-1, 3)))
PAIR = signature(x=("float32", (-1, 2)))


@pytest.fixture
def tensorflow_models(models: Callable[[str, str], Path]) -> Path:
    return models("tf", "tensorflow_models")


@pytest.mark.parametrize(
    "conversion",
    [
        Conversion("h5", "H5", "SavedModel", IMAGE),
        Conversion("h5-of-keras-2", "H5", "ONNX", signature()),  # the result describes the inputs
        Conversion(
            "keras",
            "Keras",
            "ONNX",
            signature(tokens=("int32", (-1, -1)), extra=("float32", (-1, 3))),
        ),
        Conversion("keras-of-dictionaries", "Keras", "SavedModel", DICTIONARY),
        Conversion("h5-of-dictionaries", "H5", "ONNX", DICTIONARY),
        Conversion("savedmodel", "SavedModel", "ONNX", IMAGE, {"opset": "17"}),
        Conversion("savedmodel-of-two", "SavedModel", "ONNX", PAIR, {"signature": "double"}),
        Conversion("graphdef", "GraphDef", "ONNX", signature(x=("float32", (-1, 12, 12, 1)))),
        Conversion("tflite", "TFLite", "ONNX", IMAGE),
        Conversion("tflite-spectrum", "TFLite", "ONNX", SQUARE),
        Conversion("h5", "H5", "OpenVINO", IMAGE),
        Conversion("keras-of-dictionaries", "Keras", "OpenVINO", DICTIONARY),
        Conversion("savedmodel", "SavedModel", "OpenVINO", IMAGE),
        Conversion("graphdef", "GraphDef", "OpenVINO", signature(x=("float32", (-1, 12, 12, 1)))),
        Conversion("tflite", "TFLite", "OpenVINO", IMAGE),
    ],
    ids=str,
)
async def test_a_model_predicts_the_same_in_its_new_format(
    conversion: Conversion, tensorflow_models: Path, tmp_path: Path, toolchains: ToolchainStore
) -> None:
    record = await conversion.run(tensorflow_models / conversion.model, tmp_path, toolchains)
    check(record, largest=1e-5)
    assert detect_format(tmp_path) == conversion.target
    for tensor in extract_signature(conversion.target, tmp_path).inputs:
        assert tensor.shape is not None
        assert tensor.shape[0] == -1 or isinstance(tensor.shape[0], str)


async def test_a_quantised_model_stays_quantised(
    tensorflow_models: Path, tmp_path: Path, toolchains: ToolchainStore
) -> None:
    conversion = Conversion("tflite-int8", "TFLite", "ONNX", signature(image=("int8", (1, 12, 12, 1))))
    check(await conversion.run(tensorflow_models / conversion.model, tmp_path, toolchains), largest=0.05)
    assert extract_signature("ONNX", tmp_path).inputs[0].dtype == "int8"


class WithoutTensorFlow:
    """All toolchains except the one with TensorFlow, whose own interpreter of this format is deprecated."""

    def __init__(self, toolchains: ToolchainStore) -> None:
        self._toolchains = toolchains

    async def ensure(self, name: str, on_line: OnLine) -> Path:
        assert name != "tf"
        return await self._toolchains.ensure(name, on_line)


@pytest.mark.parametrize("name", ["tflite", "tflite-spectrum"])
async def test_a_tensorflow_lite_source_is_checked_by_litert(
    name: str, tensorflow_models: Path, toolchains: ToolchainStore
) -> None:
    directory = tensorflow_models / name
    model = Subject(directory, "TFLite", extract_signature("TFLite", directory))
    workshop = Workshop(WithoutTensorFlow(toolchains), Limits(wall_seconds=120, memory_bytes=4 * 2**30), print)
    verification = await verify(model, model, EXACT, workshop, Programs())
    assert verification.verified, verification.reason
    assert all(difference.absolute == 0 and difference.note is None for difference in verification.differences)


@pytest.mark.parametrize(
    ("conversion", "code", "message"),
    [
        pytest.param(
            Conversion("savedmodel-of-two", "SavedModel", "ONNX", PAIR, {"signature": "foreign"}),
            "unsupported_operator",
            "ONNX has no counterpart of Igamma",
            id="operator",
        ),
        pytest.param(
            Conversion("savedmodel-of-two", "SavedModel", "ONNX", PAIR, {"signature": "other"}),
            "invalid_model",
            "its signatures: double, foreign",
            id="signature",
        ),
        pytest.param(
            Conversion("savedmodel", "SavedModel", "ONNX", PAIR, {"tag": "train"}),
            "invalid_model",
            "no graph tagged 'train'; its tags: serve",
            id="tag",
        ),
        pytest.param(
            Conversion("savedmodel-without-variables", "SavedModel", "ONNX", IMAGE),
            "invalid_model",
            "a file may be missing",
            id="variables",
        ),
        pytest.param(
            Conversion("h5-with-lambda", "H5", "ONNX", VECTOR), "unsupported_operator", "Lambda layer", id="lambda"
        ),
        pytest.param(Conversion("h5-weights", "H5", "ONNX", VECTOR), "invalid_model", "weights only", id="weights"),
    ],
)
async def test_an_unsupported_conversion_is_refused_with_the_reason(
    conversion: Conversion,
    code: str,
    message: str,
    tensorflow_models: Path,
    tmp_path: Path,
    toolchains: ToolchainStore,
) -> None:
    with pytest.raises(ConversionError, match=message) as caught:
        await conversion.run(tensorflow_models / conversion.model, tmp_path, toolchains)
    assert caught.value.code == code
