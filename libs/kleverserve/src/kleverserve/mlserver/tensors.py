"""Converts MLServer's tensors to and from arrays by name."""

from collections.abc import Sequence

import numpy as np
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import RequestInput, ResponseOutput

from kleverserve.errors import InvalidRequestError
from kleverserve.model import TensorSpec
from kleverserve.protocol import fits
from kleverserve.tensors import NUMPY_TYPES, Array, Datatype


def arrays(inputs: Sequence[RequestInput], specs: Sequence[TensorSpec]) -> dict[str, Array]:
    """Return each input of a request as an array.

    Any numeric type is accepted, and a column can be a matrix of one column.

    Raises:
        InvalidRequestError: the request has other inputs, or they do not fit.
    """
    given = {each.name: each for each in inputs}
    names = [spec.name for spec in specs]
    if len(given) < len(inputs) or set(given) != set(names):
        requested = ", ".join(f"'{each.name:.80}'" for each in inputs[:10]) or "none"
        taken = ", ".join(f"'{name}'" for name in names[:10])
        raise InvalidRequestError(f"the model has the inputs {taken}; the request has {requested}")
    return {spec.name: _array(given[spec.name], spec) for spec in specs}


def output(name: str, values: Array) -> ResponseOutput:
    """Return an output with the shape of the array."""
    made = (
        StringCodec.encode_output(name, values.ravel().tolist())
        if values.dtype == object
        else NumpyCodec.encode_output(name, values)
    )
    made.shape = list(values.shape)
    return made


def _array(given: RequestInput, spec: TensorSpec) -> Array:
    is_text = given.datatype == Datatype.BYTES
    if is_text != (spec.datatype is Datatype.BYTES):
        raise InvalidRequestError(
            f"input '{spec.name}' has datatype {given.datatype}, the model requires {spec.datatype}"
        )
    try:
        if is_text:
            values = np.array(StringCodec.decode_input(given), object).reshape(given.shape)
        else:
            values = NumpyCodec.decode_input(given).astype(NUMPY_TYPES[spec.datatype])
    except (ValueError, TypeError, OverflowError) as error:
        reason = f"its data is not {given.datatype} of shape {given.shape}"
        raise InvalidRequestError(f"the model rejects the inputs: input '{spec.name}': {reason}") from error
    if spec.shape == (-1,) and values.shape[1:] == (1,):
        values = values.reshape(-1)
    if spec.shape is not None and not fits(values.shape, spec.shape):
        raise InvalidRequestError(
            f"the model requires input '{spec.name}' of shape {list(spec.shape)} (-1 is any length), not {given.shape}"
        )
    return values
