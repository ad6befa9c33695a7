"""Shared by models of tables: the input is a matrix of features, and the shapes of outputs come from a trial run."""

from collections.abc import Mapping, Sequence

import numpy as np
import orjson

from kleverserve.errors import ExecutionError
from kleverserve.model import TensorSpec
from kleverserve.tensors import NUMPY_TYPES, Array, Datatype

INPUT = "input"
_BY_KIND = {"b": Datatype.BOOL, "i": Datatype.INT64, "u": Datatype.INT64, "f": Datatype.FP64}


def names_parameter(key: str, names: Sequence[object]) -> dict[str, str]:
    """Return a parameter with a list of names as JSON text, since the protocol's parameters are scalars."""
    return {key: orjson.dumps(list(names), option=orjson.OPT_SERIALIZE_NUMPY, default=str).decode()}


def matrix_input(columns: int, datatype: Datatype, names: Sequence[str] | None = None) -> TensorSpec:
    """Describe a matrix with one row for each instance; `features` contains the names of the columns, if known."""
    parameters = names_parameter("features", names) if names else {}
    return TensorSpec(INPUT, datatype, (-1, columns), parameters)


def observed_output(name: str, values: Array, parameters: Mapping[str, str] | None = None) -> TensorSpec:
    """Describe an output from its `values` in a trial run."""
    return TensorSpec(name, datatype_of(values), (-1, *values.shape[1:]), parameters or {})


def datatype_of(values: Array) -> Datatype:
    """Return the protocol's datatype for numbers or labels of an engine; BYTES for anything else."""
    if values.dtype == np.float32:
        return Datatype.FP32
    return _BY_KIND.get(values.dtype.kind, Datatype.BYTES)


def as_declared(values: Array, spec: TensorSpec) -> Array:
    """Convert a result of an engine to the declared type.

    Raises:
        ExecutionError: its type differs from the type in the trial run.
    """
    try:
        if spec.datatype is Datatype.BYTES:
            return values.astype(str).astype(object)
        return values.astype(NUMPY_TYPES[spec.datatype], copy=False)
    except (TypeError, ValueError) as error:
        raise ExecutionError(f"output '{spec.name}' is not {spec.datatype}: {error}") from error
