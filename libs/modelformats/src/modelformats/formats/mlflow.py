"""MLflow models: the MLmodel file, its signature (mlflow.org, "Model Signatures") and flavours, without other files."""

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
"""Packages that must load the models of flavours which store them as pickles or with skops."""
PYTHON = "python_function"
FIRST_INPUT, FIRST_OUTPUT = 0, 1
"""MLServer, which serves such models, names unnamed tensors input-0 and output-1, and counts from there."""
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
"""Map types of columns to numpy types."""
NESTED = {"array", "object", "map", "any", "sparkml-vector"}
"""Types of columns whose values do not all have one numpy type."""
UNSIGNED = "the model was logged without a signature: add one with infer_signature when logging it"


class MLflow:
    """See `modelformats.format.Format`."""

    name = "MLflow"

    def detect(self, directory: Path) -> bool:
        """Detect an MLmodel file at the top, or at the path of a logged model in MLflow 3."""
        return recognition.MLFLOW.is_followed(directory)

    def validate(self, directory: Path) -> None:
        """Check for such a file."""
        model_file(recognition.MLFLOW, directory)

    def extract(self, directory: Path) -> Signature:
        """Return the signature with which the model was logged, and its flavours."""
        path = model_file(recognition.MLFLOW, directory)
        with reading(path, "MLmodel file"):
            return _signature(read_document(path))


def read_document(path: Path) -> dict[str, Any]:
    """Return the content of an MLmodel file. Raises InvalidModelError, and the errors of the YAML parser."""
    import yaml  # noqa: PLC0415 - only MLflow needs it

    if path.stat().st_size > SIZE_LIMIT:
        raise InvalidModelError(f"{path.name} is larger than {SIZE_LIMIT >> 20} MB, which no MLmodel is")
    content, depth = path.read_bytes(), 0
    for event in yaml.parse(content, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        # Aliases are references, which take no memory; a merge copies its target each time.
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
    """Return the flavour besides Python's, and the version that it declares."""
    names = sorted(name for name in flavours if text(name))
    name = next((name for name in names if name != PYTHON), None)
    flavour = table(flavours, name or PYTHON)
    versions = sorted(key for key in flavour if isinstance(key, str) and key.endswith("_version"))
    own = [key for key in versions if key != "python_version"]
    return name, text(flavour.get(own[0])) if name and own else None


def _entries(signature: dict[str, Any], field: str) -> list[Any]:
    """Return lists, which are JSON inside the YAML."""
    written = signature.get(field)
    return [entry for entry in listed(json.loads(written) if isinstance(written, str) else None) if table(entry)]


def _untyped(signature: dict[str, Any]) -> dict[str, str]:
    """Map columns without a type to the reason."""
    written = dict[str, str]()
    for field, first in (("inputs", FIRST_INPUT), ("outputs", FIRST_OUTPUT)):
        specs, entries = _specs(signature, field, first), _entries(signature, field)
        columns = zip(specs, entries, strict=True)
        written |= {spec.name: str(entry.get("type")) for spec, entry in columns if entry.get("type") != "tensor"}
    nested = {name: f"a column of {kind}, whose values do not have one type" for name, kind in written.items()}
    unknown = unknown_tensors(DTYPES, written.items())
    return {name: nested[name] if written[name] in NESTED else reason for name, reason in unknown.items()}


def _specs(signature: dict[str, Any], field: str, first: int) -> tuple[Tensor, ...]:
    kind = field.removesuffix("s")
    return tuple(_spec(entry, f"{kind}-{at}") for at, entry in enumerate(_entries(signature, field), first))


def _spec(entry: dict[str, Any], otherwise: str) -> Tensor:
    """Describe an entry: a tensor has a type and a shape, a column one value for each row.

    An unnamed one is named by position.
    """
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
