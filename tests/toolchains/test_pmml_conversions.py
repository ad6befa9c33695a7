"""scikit-learn to PMML. Needs the toolchains pmml and sklearn, and Java."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from modelconversion.errors import ConversionError
from modelconversion.toolchains.store import ToolchainStore
from modelformats.catalogue import extract_signature
from toolchains.conversions import Conversion, check

pytestmark = pytest.mark.timeout(900)  # the first run installs toolchains


@pytest.fixture
def pmml_models(models: Callable[[str, str], Path]) -> Path:
    return models("pmml", "pmml_models")


@pytest.mark.parametrize(
    ("model", "inputs"),
    [
        ("pipeline", ["x1", "x2", "x3", "x4"]),
        ("named-columns", ["sepal length", "petal width"]),
        ("forest", ["x1", "x2", "x3", "x4"]),
        ("unused-columns", ["x4"]),
        ("boosted-trees", ["x1", "x2", "x3", "x4"]),
        ("support-vectors", ["x1", "x2", "x3", "x4"]),
        ("line", [f"x{number}" for number in range(1, 11)]),
        ("network", [f"x{number}" for number in range(1, 11)]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_an_estimator_predicts_the_same_as_pmml(
    model: str, inputs: list[str], pmml_models: Path, tmp_path: Path, toolchains: ToolchainStore
) -> None:
    declared = extract_signature("SKLearn", pmml_models / model)
    record = await Conversion(model, "SKLearn", "PMML", declared).run(pmml_models / model, tmp_path, toolchains)
    check(record, largest=1e-6)
    assert [tensor.name for tensor in extract_signature("PMML", tmp_path).inputs] == inputs


GAPS = np.where(np.random.default_rng(3).random((64, 4)) < 0.3, np.nan, np.random.default_rng(4).normal(size=(64, 4)))


@pytest.mark.parametrize(
    "model",
    [
        *("tree-with-gaps", "forest-with-gaps", "numbers-with-gaps", "imputed", "histogram-with-gaps"),
        *("forest", "unused-columns"),  # these accept missing values too
    ],
)
@pytest.mark.parametrize("samples", [{"input": GAPS.astype(np.float32)}, {}], ids=["given", "made-up"])
async def test_missing_values_take_the_branch_that_the_estimator_takes(
    model: str,
    samples: dict[str, NDArray[np.float32]],
    pmml_models: Path,
    tmp_path: Path,
    toolchains: ToolchainStore,
) -> None:
    known = extract_signature("SKLearn", pmml_models / model)
    conversion = Conversion(model, "SKLearn", "PMML", known, samples=samples)
    check(await conversion.run(pmml_models / model, tmp_path, toolchains), largest=1e-6)


@pytest.mark.parametrize(
    ("model", "message"),
    [("two-targets", "x-multiModelChain"), ("foreign", "GaussianProcessRegressor")],
)
async def test_an_estimator_that_pmml_lacks_is_refused_by_name(
    model: str, message: str, pmml_models: Path, tmp_path: Path, toolchains: ToolchainStore
) -> None:
    declared = extract_signature("SKLearn", pmml_models / model)
    with pytest.raises(ConversionError, match=message) as caught:
        await Conversion(model, "SKLearn", "PMML", declared).run(pmml_models / model, tmp_path, toolchains)
    assert caught.value.code == "unsupported_operator"
