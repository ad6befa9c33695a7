"""scikit-learn, XGBoost, LightGBM and CatBoost. Needs the toolchains sklearn and onnx."""

from collections.abc import Callable
from pathlib import Path

import pytest

from modelconversion.errors import ConversionError
from modelconversion.toolchains.store import ToolchainStore
from modelformats.catalogue import extract_signature
from toolchains.conversions import Conversion, check, signature

pytestmark = pytest.mark.timeout(900)  # the first run installs toolchains


SAMPLES = {
    "mixed-columns": {"income": [0.5, -1.25, 2.0], "age": [1.5, 0.25, -2.0], "city": ["Ulm", "Bonn", "Rome"]},
}
"""Samples by model; other models get generated ones."""


@pytest.fixture
def table_models(models: Callable[[str, str], Path]) -> Path:
    return models("sklearn", "table_models")


@pytest.mark.parametrize(
    ("model", "source", "largest"),
    [
        ("pipeline", "SKLearn", 1e-5),
        ("forest", "SKLearn", 1e-5),
        ("forest-with-gaps", "SKLearn", 1e-5),
        ("categories", "SKLearn", 1e-5),
        ("named-columns", "SKLearn", 1e-5),
        ("regressor", "SKLearn", 1e-5),
        ("support-vectors", "SKLearn", 1e-5),
        ("chosen-columns", "SKLearn", 1e-5),
        ("mixed-columns", "SKLearn", 1e-5),
        ("histogram", "SKLearn", 1e-5),
        ("histogram-categories", "SKLearn", 1e-5),
        ("histogram-numbers", "SKLearn", 1e-5),
        ("network", "SKLearn", 1e-5),
        ("neighbours", "SKLearn", 1e-5),
        ("bayes", "SKLearn", 1e-5),
        ("search", "SKLearn", 1e-5),
        ("calibrated", "SKLearn", 1e-5),
        ("votes", "SKLearn", 1e-5),
        ("stack", "SKLearn", 1e-5),
        ("isolation", "SKLearn", 1e-5),
        ("clusters", "SKLearn", 1e-5),
        ("components", "SKLearn", 1e-5),
        ("transformed", "SKLearn", 1e-5),
        ("texts-as-classes", "SKLearn", 1e-5),
        ("targets", "SKLearn", 1e-5),
        ("xgboost-classes", "XGBoost", 1e-5),
        ("xgboost-binary", "XGBoost", 1e-5),
        ("xgboost-numbers", "XGBoost", 1e-5),
        ("lightgbm-classes", "LightGBM", 1e-5),
        ("lightgbm-binary", "LightGBM", 1e-5),
        ("lightgbm-numbers", "LightGBM", 1e-5),
        ("catboost-classes", "CatBoost", 1e-5),
        ("catboost-numbers", "CatBoost", 1e-5),
    ],
)
async def test_a_model_of_a_table_predicts_the_same_as_onnx(
    model: str, source: str, largest: float, table_models: Path, tmp_path: Path, toolchains: ToolchainStore
) -> None:
    directory = table_models / model
    source_signature = extract_signature(source, directory)
    conversion = Conversion(model, source, "ONNX", source_signature, samples=SAMPLES.get(model, {}))
    record = await conversion.run(directory, tmp_path, toolchains)
    check(record, largest=largest)
    result = extract_signature("ONNX", tmp_path)
    assert "ZipMap" not in result.operators
    if len(source_signature.inputs) > 1:
        assert [(each.name, each.shape) for each in result.inputs] == [
            (each.name, each.shape) for each in source_signature.inputs
        ]


@pytest.mark.parametrize("source", ["SKLearn", "XGBoost", "LightGBM", "CatBoost"])
async def test_a_damaged_file_is_an_error_of_the_model(source: str, tmp_path: Path, toolchains: ToolchainStore) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.joblib").write_bytes(b"\x80\x04 no more")
    (tmp_path / "out").mkdir()
    declared = signature(X=("float32", (-1, 4)))
    with pytest.raises(ConversionError) as caught:
        await Conversion("damaged", source, "ONNX", declared).run(tmp_path / "model", tmp_path / "out", toolchains)
    assert caught.value.code == "invalid_model"


async def test_the_result_is_checked_on_the_given_samples(
    table_models: Path, tmp_path: Path, toolchains: ToolchainStore
) -> None:
    directory = table_models / "pipeline"
    declared, rows = extract_signature("SKLearn", directory), [[0.1, 0.2, 0.3, 0.4], [-2.0, 1.0, 0.0, 5.0]]
    conversion = Conversion("pipeline", "SKLearn", "ONNX", declared, samples={"input": rows})
    check(await conversion.run(directory, tmp_path, toolchains), largest=1e-5)


async def test_samples_that_the_source_does_not_accept_are_refused(
    table_models: Path, tmp_path: Path, toolchains: ToolchainStore
) -> None:
    directory = table_models / "pipeline"
    declared = extract_signature("SKLearn", directory)
    with pytest.raises(ConversionError, match="X has 2 features") as caught:
        await Conversion("pipeline", "SKLearn", "ONNX", declared, samples={"input": [[1, 2]]}).run(
            directory, tmp_path, toolchains
        )
    assert caught.value.code == "invalid_samples"


@pytest.mark.parametrize("strategy", ["one_output_per_tree", "multi_output_tree"])
async def test_a_booster_of_several_targets_is_refused_and_not_reduced_to_one(
    table_models: Path, tmp_path: Path, toolchains: ToolchainStore, strategy: str
) -> None:
    directory = table_models / f"xgboost-{strategy}"
    known = extract_signature("XGBoost", directory)
    assert [tensor.shape for tensor in known.outputs] == [(-1, 2)]
    with pytest.raises(
        ConversionError, match="the model predicts 2 targets, but onnxmltools converts only one"
    ) as caught:
        await Conversion("vectors", "XGBoost", "ONNX", known).run(directory, tmp_path, toolchains)
    assert caught.value.code == "unsupported_operator"
