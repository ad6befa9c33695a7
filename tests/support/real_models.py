"""Files that frameworks wrote themselves; tests/data/models/README.md tells how."""

from pathlib import Path

ROOT = Path(__file__).parents[1] / "data" / "models"

FILES = {
    "XGBoost": ("xgboost/iris.ubj", "xgboost/iris.json", "xgboost/legacy.bst"),
    "LightGBM": ("lightgbm/iris.lgb",),
    "CatBoost": ("catboost/iris.cbm", "catboost/iris.json"),
    "OpenVINO": ("openvino/iris.xml",),
    "MLflow": ("mlflow/MLmodel",),
}
"""Of each format, the one first that stands for it."""


def all_of_each_format() -> dict[str, list[tuple[str, bytes]]]:
    """Format to the names and bytes of its files."""
    return {name: [(Path(file).name, (ROOT / file).read_bytes()) for file in files] for name, files in FILES.items()}


def first_of_each_format() -> dict[str, tuple[str, bytes]]:
    """Format to the name and bytes of one file."""
    return {name: files[0] for name, files in all_of_each_format().items()}
