"""MLflow models: the MLmodel file, its signature (mlflow.org, "Model Signatures") and flavours, not what it packs."""

import json
from pathlib import Path
from typing import Any

from kleverproto.signatures import Signature, Tensor
from modelfiles import recognition
from modelformats.errors import InvalidModelError
from modelformats.format import model_file, reading
from modelformats.plain import listed, table, text
from modelformats.versions import other_version
from modelformats.weights import unknown_tensors

MERGE = "<<"
SIZE_LIMIT = 1024 * 1024
DEEPEST = 50
TOOLCHAIN = "mlserver"
PACKAGES = {"sklearn": "scikit-learn"}
"""Flavours that keep models as pickles, or as skops does, and the packages that must load them."""
PYTHON = "python_function"
FIRST_INPUT, FIRST_OUTPUT = 0, 1
"""MLServer, which serves such models, calls tensors without a name input-0 and output-1, and counts on from there."""
LARGEST = 2**62
DTYPES = {
    "boolean": "bool",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "string": "str",
    "binary": "bytes",
    "datetime": "datetime64",
}
"""Types of columns to numpy's."""
NESTED = {"array", "object", "map", "any", "sparkml-vector"}
"""Types of columns whose values are not all of one type of numpy's."""
UNSIGNED = "the model was logged without a signature: give one with infer_signature when logging it"


class MLflow:
    """See `modelformats.format.Format`."""

    name = "MLflow"

    def detect(self, directory: Path) -> bool:
        """An MLmodel file at the top, or where MLflow 3 has that of a logged model."""
        return recognition.MLFLOW.is_followed(directory)

    def validate(self, directory: Path) -> None:
        """Such a file."""
        model_file(recognition.MLFLOW, directory)

    def extract(self, directory: Path) -> Signature:
        """The signature that the model was logged with, and its flavours."""
        path = model_file(recognition.MLFLOW, directory)
        with reading(path, "MLmodel file"):
            return _signature(read_document(path))


def read_document(path: Path) -> dict[str, Any]:
    """The content of an MLmodel file. Raises InvalidModelError, and what YAML's reader raises."""
    import yaml  # noqa: PLC0415 - only MLflow needs it

    if path.stat().st_size > SIZE_LIMIT:
        raise InvalidModelError(f"{path.name} is larger than {SIZE_LIMIT >> 20} MB, which no MLmodel is")
    content, depth = path.read_bytes(), 0
    for event in yaml.parse(content, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        # Aliases are references, which take no room; a merge copies what it refers to, as often as it is written.
        if depth > DEEPEST or (isinstance(event, yaml.ScalarEvent) and event.value == MERGE and not event.style):
            raise InvalidModelError(f"{path.name} has merge keys or nests deeply, which no MLmodel does")
    return table(yaml.load(content, Loader=yaml.CSafeLoader))


def _signature(model: dict[str, Any]) -> Signature:
    flavours = table(model, "flavors")
    if not flavours:
        raise InvalidModelError("the MLmodel file has no flavors: is it complete?")
    signature = table(model, "signature")
    inputs, outputs = _specs(signature, "inputs", FIRST_INPUT), _specs(signature, "outputs", FIRST_OUTPUT)
    unknown = dict.fromkeys(("operators", "parameters"), "MLflow describes the model; its files are not read")
    unknown |= _untyped(signature)
    unknown |= {field: UNSIGNED for field, specs in (("inputs", inputs), ("outputs", outputs)) if not specs}
    framework, version = _framework(flavours)
    return Signature(
        inputs=inputs,
        outputs=outputs,
        framework=framework,
        framework_version=version,
        details={
            "flavors": sorted(name for name in flavours if text(name)),
            "loader_module": text(table(flavours, PYTHON).get("loader_module")),
            "mlflow_version": text(model.get("mlflow_version")),
            "params": [dict(_param(param)) for param in _entries(signature, "params")],
        },
        unknown=unknown,
        warnings=tuple(other_version(PACKAGES[framework], TOOLCHAIN, version)) if framework in PACKAGES else (),
    )


def _framework(flavours: dict[str, Any]) -> tuple[str | None, str | None]:
    """The flavour besides Python's, and the version that it declares."""
    names = sorted(name for name in flavours if text(name))
    name = next((name for name in names if name != PYTHON), None)
    flavour = table(flavours, name or PYTHON)
    versions = sorted(key for key in flavour if isinstance(key, str) and key.endswith("_version"))
    own = [key for key in versions if key != "python_version"]
    return name, text(flavour.get(own[0])) if name and own else None


def _entries(signature: dict[str, Any], field: str) -> list[Any]:
    """Lists are JSON inside the YAML."""
    written = signature.get(field)
    return [entry for entry in listed(json.loads(written) if isinstance(written, str) else None) if table(entry)]


def _untyped(signature: dict[str, Any]) -> dict[str, str]:
    """Why some columns have no type."""
    written = dict[str, str]()
    for field, first in (("inputs", FIRST_INPUT), ("outputs", FIRST_OUTPUT)):
        specs, entries = _specs(signature, field, first), _entries(signature, field)
        columns = zip(specs, entries, strict=True)
        written |= {spec.name: str(entry.get("type")) for spec, entry in columns if entry.get("type") != "tensor"}
    nested = {name: f"a column of {kind}, whose values have no one type" for name, kind in written.items()}
    unknown = unknown_tensors(DTYPES, written.items())
    return {name: nested[name] if written[name] in NESTED else reason for name, reason in unknown.items()}


def _specs(signature: dict[str, Any], field: str, first: int) -> tuple[Tensor, ...]:
    kind = field.removesuffix("s")
    return tuple(_spec(entry, f"{kind}-{at}") for at, entry in enumerate(_entries(signature, field), first))


def _spec(entry: dict[str, Any], otherwise: str) -> Tensor:
    """A tensor has a type and a shape, a column has one value for each row; without a name it has its place."""
    name = text(entry.get("name")) or otherwise
    if entry.get("type") != "tensor":
        return Tensor(name=name, dtype=DTYPES.get(str(entry.get("type"))), shape=(-1,))
    spec = table(entry, "tensor-spec")
    dtype = text(spec.get("dtype"))
    return Tensor(name=name, dtype="str" if dtype in {"str", "object"} else dtype, shape=_shape(spec.get("shape")))


def _shape(dims: Any) -> tuple[int, ...] | None:
    if not isinstance(dims, list) or not all(isinstance(dim, int) and -1 <= dim < LARGEST for dim in dims):
        return None
    return tuple(int(dim) for dim in dims)


def _param(param: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(key, text(param.get(key))) for key in ("name", "type")]


MLFLOW = MLflow()
