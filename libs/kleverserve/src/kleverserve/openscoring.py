"""OpenScoring's requests and responses for models of tables, with one input and one output for each field; pure.

A field that a request omits, or that is null, is a missing value. Implements the REST API of OpenScoring 2.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .errors import InvalidRequestError
from .model import Model, TensorSpec
from .tensors import NUMPY_TYPES, Array, Datatype

TYPES = {
    Datatype.FP32: ("float", "continuous"),
    Datatype.FP64: ("double", "continuous"),
    Datatype.INT64: ("integer", "continuous"),
    Datatype.BOOL: ("boolean", "categorical"),
    Datatype.BYTES: ("string", "categorical"),
}
KINDS: dict[Datatype, tuple[type, ...]] = {
    Datatype.FP32: (int, float),
    Datatype.FP64: (int, float),
    Datatype.INT64: (int,),
    Datatype.BOOL: (bool,),
    Datatype.BYTES: (str,),
}
NUMBERS = frozenset({Datatype.FP32, Datatype.FP64})
"""Types in which a missing value is NaN."""
IS_TARGET = {"usage": "target"}
"""Parameters of an output that is a PMML target field; all others are output fields."""
ID = "id"


def schema(model: Model) -> dict[str, Any]:
    """Return the input fields and output fields."""
    return {
        "inputFields": [_field(spec.name, spec) for spec in model.inputs],
        "targetFields": [_field(spec.name, spec) for spec in model.outputs if spec.parameters == IS_TARGET],
        "outputFields": [_field(spec.name, spec) for spec in model.outputs if spec.parameters != IS_TARGET],
    }


def inputs_of(rows: Sequence[Mapping[str, Any]], model: Model) -> dict[str, Array]:
    """Return the inputs of one run for the arguments of several requests.

    Raises:
        InvalidRequestError: an argument has the wrong type.
    """
    return {spec.name: _column([row.get(spec.name) for row in rows], spec) for spec in model.inputs}


def results_of(outputs: Mapping[str, Array], model: Model, count: int) -> list[dict[str, Any]]:
    """Map fields to values for each row; NaN is null."""
    columns = {spec.name: outputs[spec.name].tolist() for spec in model.outputs}
    return [{name: _plain(values[row]) for name, values in columns.items()} for row in range(count)]


def read_csv(text: str, model: Model) -> tuple[list[dict[str, Any]], list[str] | None]:
    """Return the arguments of each line, and the ids if the table has such a column.

    Raises:
        InvalidRequestError: a cell does not fit its field, or there is no header.
    """
    reader = csv.DictReader(io.StringIO(text))
    if not reader.fieldnames:
        raise InvalidRequestError("the table is empty: its first line names the fields")
    kinds = {spec.name: spec.datatype for spec in model.inputs}
    column = next((name for name in reader.fieldnames if name.lower() == ID), None)
    lines = list(reader)
    rows = [{name: _cell(name, kinds[name], line[name]) for name in kinds if name in line} for line in lines]
    return rows, [line[column] for line in lines] if column else None


def write_csv(results: Sequence[Mapping[str, Any]], ids: Sequence[str] | None) -> str:
    """Return a table of results, with the ids of the request."""
    text = io.StringIO()
    rows = [{**({"Id": ids[row]} if ids else {}), **result} for row, result in enumerate(results)]
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _field(name: str, spec: TensorSpec) -> dict[str, str]:
    data_type, op_type = TYPES.get(spec.datatype, TYPES[Datatype.BYTES])
    return {"id": name, "dataType": data_type, "opType": op_type}


def _column(values: list[Any], spec: TensorSpec) -> Array:
    taken = KINDS.get(spec.datatype, (str,))
    for value in values:
        if value is not None and not isinstance(value, taken):
            raise InvalidRequestError(f"argument '{spec.name}' is {value!r:.80}, but the field takes {spec.datatype}")
    if spec.datatype in NUMBERS:
        return np.array([np.nan if value is None else value for value in values], NUMPY_TYPES[spec.datatype])
    # Only arrays of objects can represent missing numbers; the engine of PMML accepts them.
    return np.array(values, object if None in values else NUMPY_TYPES[spec.datatype])


def _cell(name: str, datatype: Datatype, text: str | None) -> Any:
    if not text:
        return None
    try:
        if datatype in NUMBERS:
            return float(text)
        if datatype is Datatype.INT64:
            return int(text)
    except ValueError as error:
        raise InvalidRequestError(f"'{text:.40}' in column '{name}' is not a number") from error
    return text.lower() == "true" if datatype is Datatype.BOOL else text


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value
