"""PMML documents, scored by PMML4S in a JVM inside this process, so that both always exit together.

There is one input for each active field, with one value for each row; null in a numeric field is a missing value.
Outputs are the output fields that the document declares, and the targets that none of these fields shows. PMML4S adds
further outputs (the probability of the winner, and of each class if the document declares none). They are served only
if the document declares neither outputs nor targets.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jpype
import numpy as np
import orjson
from pypmml import Model, PMMLContext

from kleverserve.errors import InvalidRequestError, ModelLoadError
from kleverserve.model import TensorSpec
from kleverserve.openscoring import IS_TARGET
from kleverserve.tensors import NUMPY_TYPES, Array, Datatype
from modelfiles.recognition import PMML

from .files import one_line
from .runs import running

DATATYPES = {
    "double": Datatype.FP64,
    "float": Datatype.FP32,
    "real": Datatype.FP64,
    "integer": Datatype.INT64,
    "boolean": Datatype.BOOL,
}
"""All other types, such as dates, are text."""
VALUE = "predictedValue"
"""The feature of an output that shows a target."""
PREDICTED = "predicted_"
"""PMML4S's prefix for the prediction of a target."""
JVM_OPTIONS = ("-Xrs",)
"""Leaves signals to the server."""


def load(directory: Path, *, threads: int) -> "PmmlModel":  # noqa: ARG001 - PMML4S scores in the caller's thread
    """Load the PMML document in `directory`.

    Raises:
        ModelLoadError: there is not exactly one, Java is missing, or PMML4S cannot read it.
    """
    file = PMML.file(directory)
    _start_jvm()
    try:
        document = file.read_text()
        return PmmlModel(Model.fromString(document), document)
    except Exception as error:  # errors of Java share no base class with Python's, and the bridge adds its own
        raise ModelLoadError(f"PMML4S cannot read {file}: {one_line(error)}") from error


class PmmlModel:
    """A PMML document as a `Model`."""

    platform = "pmml4s_pmml"
    row_wise = True
    example = None

    def __init__(self, model: Any, document: str) -> None:
        self.inputs = [_spec(field) for field in model.inputFields]
        self._columns = _outputs(model, document)
        self.outputs = list(self._columns.values())
        self._model = model.setSupplementOutput(True)

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        """Score every row; see `Model.predict`."""
        columns = [inputs[spec.name].tolist() for spec in self.inputs]
        if len({len(column) for column in columns}) != 1:
            raise InvalidRequestError("every input must have as many values as the others: one for each row")
        rows = list(zip(*columns, strict=True))
        scored = self._score(rows) if rows else {}
        return {
            spec.name: _column(scored.get(column, []), spec)
            for column, spec in self._columns.items()
            if spec.name in outputs
        }

    def _score(self, rows: Sequence[Sequence[object]]) -> dict[str, list[Any]]:
        # One call with all rows as JSON, since a call into Java for each value costs more than scoring it.
        question = orjson.dumps({"columns": [spec.name for spec in self.inputs], "data": rows}).decode()
        with running():
            answer = orjson.loads(str(self._model.predict(question)))
        return dict(zip(answer["columns"], map(list, zip(*answer["data"], strict=True)), strict=True))


def _start_jvm() -> None:
    if jpype.isJVMStarted():
        return
    try:
        PMMLContext.getOrCreate(gateway="jpype", java_opts=list(JVM_OPTIONS))
    except Exception as error:  # all causes look the same to the user
        home = os.environ.get("JAVA_HOME", "not set")
        raise ModelLoadError(f"Java cannot be started (JAVA_HOME is {home}): {one_line(error)}") from error


def _outputs(model: Any, document: str) -> Mapping[str, TensorSpec]:
    """Map PMML4S's names of the outputs to tensors: the declared output fields, then the targets.

    If the document declares none, PMML4S lists its additional outputs as if they were declared.
    """
    predicted = {PREDICTED + str(target): str(target) for target in model.targetNames}
    declared = {str(field.name): field for field in model.outputFields}
    if any(name in declared and not _declares(document, name) for name in predicted):
        declared = {}
    outputs = {name: _spec(field) for name, field in declared.items()}
    if any(field.feature == VALUE for field in declared.values()):
        return outputs
    known = {str(field.name): _spec(field) for field in model.setSupplementOutput(True).outputFields}
    for name, target in predicted.items():
        if name in known:
            outputs[name] = replace(known[name], name=target, parameters=IS_TARGET)
    return outputs or known


_OUTPUT_FIELD = re.compile(r"OutputField\b[^<>]*+")


def _declares(document: str, name: str) -> bool:
    named = re.compile(rf"\bname=[\"']{re.escape(name)}[\"']")
    return any(named.search(field[0]) for field in _OUTPUT_FIELD.finditer(document))


def _spec(field: Any) -> TensorSpec:
    return TensorSpec(str(field.name), DATATYPES.get(str(field.dataType).lower(), Datatype.BYTES), (-1,))


def _column(values: Sequence[Any], spec: TensorSpec) -> Array:
    if spec.datatype in {Datatype.FP32, Datatype.FP64}:
        return np.array([np.nan if value is None else value for value in values], NUMPY_TYPES[spec.datatype])
    if None in values:
        row = values.index(None)
        raise InvalidRequestError(
            f"the model has no value of '{spec.name}' for row {row}: a value is missing or invalid"
        )
    if spec.datatype is Datatype.BYTES:
        return np.array([str(value) for value in values], object)
    return np.array(values, NUMPY_TYPES[spec.datatype])
