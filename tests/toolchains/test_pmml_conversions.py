"""scikit-learn to PMML. Needs the toolchain pmml, and Java."""

from collections.abc import Callable
from pathlib import Path

import pytest

from modelformats.catalogue import extract_signature
from modelformats.converting.errors import ConversionError
from modelformats.converting.toolchains import ToolchainStore
from toolchains.conversions import Conversion, check

pytestmark = pytest.mark.timeout(900)  # the first run installs


@pytest.fixture
def old_table_models(models: Callable[[str, str], Path]) -> Path:
    return models("pmml", "old_table_models")


@pytest.mark.parametrize(
    ("model", "inputs"),
    [
        ("pipeline", {"x1", "x2", "x3", "x4"}),
        ("forest", {"sepal length", "sepal width", "petal length", "petal width"}),
        ("regressor", None),
    ],
)
async def test_an_estimator_does_the_same_as_pmml(
    model: str, inputs: set[str] | None, old_table_models: Path, tmp_path: Path, toolchains: ToolchainStore
) -> None:
    directory = old_table_models / model
    told = extract_signature("SKLearn", directory)
    check(await Conversion(model, "SKLearn", "PMML", told).run(directory, tmp_path, toolchains), largest=1e-6)
    found = extract_signature("PMML", tmp_path)
    assert inputs is None or {tensor.name for tensor in found.inputs} <= inputs
    assert found.outputs


async def test_an_estimator_that_pmml_does_not_know_is_refused(
    old_table_models: Path, tmp_path: Path, toolchains: ToolchainStore
) -> None:
    directory = old_table_models / "unknown"
    told = extract_signature("SKLearn", directory)
    with pytest.raises(ConversionError, match="sklearn2pmml does not know a part of the model") as caught:
        await Conversion("unknown", "SKLearn", "PMML", told).run(directory, tmp_path, toolchains)
    assert caught.value.code == "unsupported_operator"
