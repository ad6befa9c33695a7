"""Models of boosting libraries and MLflow without custom code are clean, and load by the list."""

from pathlib import Path

import pytest

import modelfiles
from modelformats.scanning import scan_directory
from support.serving_runtimes import run_program, toolchain_python

READERS = Path(modelfiles.__file__).parents[1]


@pytest.mark.parametrize(
    ("toolchain", "kinds"),
    [
        ("sklearn", {"XGBClassifier", "xgboost-booster", "LGBMClassifier", "lightgbm-booster", "CatBoostClassifier"}),
        ("mlserver", {"grid-of-boosting", "mlflow-skops", "mlflow-cloudpickle", "mlflow-pickle"}),
    ],
)
def test_ordinary_models_of_a_toolchain_are_clean(tmp_path: Path, toolchain: str, kinds: set[str]) -> None:
    printed = run_program(toolchain_python(toolchain), "pickled_models", tmp_path, READERS)
    written = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert kinds <= written & set(printed.split())
    verdict = {name: scan_directory(tmp_path / name) for name in sorted(written)}
    assert {name: scan.findings for name, scan in verdict.items() if scan.verdict != "clean"} == {}
