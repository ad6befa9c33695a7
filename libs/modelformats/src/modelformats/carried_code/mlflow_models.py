"""MLflow models: MLmodel names the Python module that loads the model, and directories for Python's module path.

Follows `mlflow.pyfunc.load_model` (mlflow.org, "Python Function"): `code` is put at the front of the module path,
`loader_module` is imported, and flavours may name the class of the model.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelfiles.unpickling.allowlist import Allowlist, Use
from modelformats.formats.mlflow import read_document
from modelformats.plain import listed, table

from .findings import Carried, dangerous, untrusted

FILE, PYTHON = "MLmodel", "python_function"
LOADERS = frozenset(
    f"mlflow.{name}" for name in ("sklearn", "xgboost", "lightgbm", "catboost", "onnx", "statsmodels", "pmdarima")
)
"""Modules that load data, and pickles, which are scanned themselves."""
CODE = ("code", "code_path", "code_paths")
CODE_FILES = ("model_code_path", "python_model_code_path")
CLASS, SKOPS = "model_class", "skops_trusted_types"
CLASSES = re.compile(r"(?:xgboost|lightgbm|catboost)\.[a-z_]+\.[A-Za-z]\w*")
NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)


def is_mlmodel(path: Path) -> bool:
    """Return whether MLflow would read a file, which depends on its name."""
    return path.name == FILE


def code_of_mlmodel(path: Path) -> Iterator[Carried]:
    """Yield the imports of loading the model beside this file. Raises InvalidModelError, ValueError, YAMLError."""
    flavours = table(read_document(path), "flavors")
    yield from _loader(table(flavours, PYTHON))
    for name, flavour in flavours.items():
        yield from _in_flavour(str(name), table(flavour))


def _loader(python: dict[str, Any]) -> Iterator[Carried]:
    module = python.get("loader_module")
    if module is None or (isinstance(module, str) and module in LOADERS):
        return
    if not isinstance(module, str) or not NAME.fullmatch(module):
        yield dangerous("mlflow", "loader_module", f"MLmodel names {module!r:.80} as the module that loads the model")
        return
    yield untrusted(module, "_load_pyfunc", f"MLmodel loads the model with the module {module}")


def _in_flavour(name: str, flavour: dict[str, Any]) -> Iterator[Carried]:
    if any(flavour.get(key) for key in CODE):
        reason = f"the flavour {name} puts a directory of the model at the front of Python's module path"
        yield untrusted("mlflow", "code_paths", reason)
    if any(flavour.get(key) for key in CODE_FILES):
        yield untrusted("mlflow", "model_code_path", f"the flavour {name} runs a Python file of the model")
    for trusted in listed(flavour.get(SKOPS)):
        yield from _trusted_by_file(trusted)
    given = flavour.get(CLASS)
    if given is not None and not (isinstance(given, str) and CLASSES.fullmatch(given)):
        yield dangerous("mlflow", CLASS, f"the flavour {name} creates an object of {given!r:.80}")


def _trusted_by_file(written: object) -> Iterator[Carried]:
    """Yield the classes that MLmodel lists for skops to trust; the author of the model has chosen them."""
    module, _, name = str(written).rpartition(".")
    use = Allowlist().use((module, name))
    if use not in {Use.UNKNOWN, Use.DANGEROUS}:
        return
    reason = f"MLmodel makes skops trust {written!r:.80}"
    if use is Use.UNKNOWN and NAME.fullmatch(module) and name.isidentifier():
        yield untrusted(module, name, reason)
    else:
        yield dangerous("mlflow", SKOPS, reason)
