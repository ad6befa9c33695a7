"""What models of tables share: a matrix of features comes in, and outputs whose shapes one trial run shows."""

from collections.abc import Mapping, Sequence

import numpy as np
import orjson

from kleverserve.errors import ExecutionError
from kleverserve.model import TensorSpec
from kleverserve.tensors import NUMPY_TYPES, Array, Datatype

INPUT = "input"
_BY_KIND = {"b": Datatype.BOOL, "i": Datatype.INT64, "u": Datatype.INT64, "f": Datatype.FP64}


def names_parameter(key: str, names: Sequence[object]) -> dict[str, str]:
    """A parameter that lists names, as JSON text: the protocol's parameters are scalars."""
    return {key: orjson.dumps(list(names), option=orjson.OPT_SERIALIZE_NUMPY, default=str).decode()}


def matrix_input(columns: int, datatype: Datatype, names: Sequence[str] | None = None) -> TensorSpec:
    """One row for each instance; `features` names the columns where the model knows names."""
    parameters = names_parameter("features", names) if names else {}
    return TensorSpec(INPUT, datatype, (-1, columns), parameters)


def observed_output(name: str, values: Array, parameters: Mapping[str, str] | None = None) -> TensorSpec:
    """How to declare an output of which `values` are the result for some rows."""
    return TensorSpec(name, datatype_of(values), (-1, *values.shape[1:]), parameters or {})


def datatype_of(values: Array) -> Datatype:
    """The protocol's type for an engine's numbers or labels; what is neither goes as text."""
    if values.dtype == np.float32:
        return Datatype.FP32
    return _BY_KIND.get(values.dtype.kind, Datatype.BYTES)


def as_declared(values: Array, spec: TensorSpec) -> Array:
    """An engine's result as the output was declared.

    Raises:
        ExecutionError: it has another type than in the trial run.
    """
    try:
        if spec.datatype is Datatype.BYTES:
            return values.astype(str).astype(object)
        return values.astype(NUMPY_TYPES[spec.datatype], copy=False)
    except (TypeError, ValueError) as error:
        raise ExecutionError(f"output '{spec.name}' is no {spec.datatype}: {error}") from error
