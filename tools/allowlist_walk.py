"""Prints the classes and functions of the packages in this environment that models may name; see allowlist.py.

Runs in a toolchain's Python. Listed are: estimators, and what fitted estimators keep (trees, kernels, losses,
splitters, scorers), which modules of `KEEPERS` define; functions that estimators take as parameters, from `VALUES`.
"""

import inspect
import pkgutil
import re
import sys
import warnings
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

PACKAGES = ("sklearn", "xgboost", "lightgbm", "catboost")
SKIPPED = re.compile(
    r"\.(tests?|testing|externals|datasets|conftest|_build_utils|experimental|estimator_checks|_testing|_test_common"
    r"|_mocking|_plotting|_export|_reingold_tilford|inspection|_plot\w*|spark|dask|plotting|_typing|_joblib|parallel)(\.|$)"
)
"""Modules that no model names: they download, run or draw."""
KEEPERS = re.compile(
    r"sklearn\.(_loss|tree|neighbors|cluster|gaussian_process|ensemble|calibration|multiclass|linear_model|isotonic|neural_network)(\.|$)"
    r"|sklearn\.metrics\._(scorer|dist_metrics)|sklearn\.model_selection\._split|sklearn\.utils\._(bunch|metadata_requests)"
    r"|sklearn\.compose\._column_transformer|sklearn\.decomposition(\.|$)"
)
VALUES = (
    "sklearn.metrics",
    "sklearn.metrics.pairwise",
    "sklearn.feature_selection",
    "sklearn.preprocessing",
)
VALUES_BESIDE = (
    ("sklearn.utils.validation", "check_array"),
    ("sklearn.cluster._kmeans", "_kmeans_single_lloyd"),
    ("sklearn.cluster._kmeans", "_kmeans_single_elkan"),
)
BOOSTERS = re.compile(r"Booster|XGB\w+|LGBM\w+|_?CatBoost\w*|_LGBMLabelEncoder")
NOT_BOOSTERS = re.compile(r"\w*(Error|Warning|Protocol)|XGBoostLabelEncoder")
MAKERS = re.compile(r"__pyx_unpickle_\w+|newObj")
"""Functions of Cython that create an object of one of their module's classes."""


def main() -> None:
    """Print one line for each: use, module, name."""
    warnings.simplefilter("ignore")
    lines = {line for name in PACKAGES for module in _modules(name) for line in _lines(module)}
    lines |= {f"value {module} {name}" for module, name in VALUES_BESIDE if _has(module, name)}
    lines |= {f"value {each.__module__} {each.__name__}" for module in VALUES for each in _functions(module)}
    sys.stdout.write("".join(f"{line}\n" for line in sorted(lines)))


def _modules(package: str) -> Iterator[ModuleType]:
    try:
        root = import_module(package)
    except ImportError:
        return
    yield root
    for each in pkgutil.walk_packages(root.__path__, f"{package}.", onerror=lambda _name: None):
        if not SKIPPED.search(each.name):
            try:
                yield import_module(each.name)
            except Exception:  # noqa: BLE001, S112 - parts that need packages which are not installed
                continue


def _lines(module: ModuleType) -> Iterator[str]:
    for name, value in vars(module).items():
        if MAKERS.fullmatch(name) and KEEPERS.search(module.__name__):
            yield f"function {module.__name__} {name}"
        elif _is_own_class(module, name, value) and _is_kept(module.__name__, value):
            yield f"class {module.__name__} {name}"


def _is_own_class(module: ModuleType, name: str, value: Any) -> bool:
    return isinstance(value, type) and value.__module__ == module.__name__ and value.__qualname__ == name


def _is_kept(module: str, value: type) -> bool:
    if issubclass(value, BaseException):
        return False
    if module.startswith("sklearn"):
        return KEEPERS.search(module) is not None or any(each.__name__ == "BaseEstimator" for each in value.__mro__)
    return BOOSTERS.fullmatch(value.__name__) is not None and not NOT_BOOSTERS.fullmatch(value.__name__)


def _functions(module: str) -> Iterator[Any]:
    try:
        exported = import_module(module)
    except ImportError:
        return
    for value in vars(exported).values():
        if inspect.isfunction(value) and value.__module__.startswith(
            ("sklearn.metrics", "sklearn.feature_sel", "sklearn.prepr")
        ):
            yield value


def _has(module: str, name: str) -> bool:
    try:
        return hasattr(import_module(module), name)
    except ImportError:
        return False


if __name__ == "__main__":
    main()
