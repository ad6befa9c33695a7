"""The Open Inference Protocol (V2) REST bodies: parses requests and writes responses, without I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, cast

import orjson

from .binary import Parts, split
from .binary import decode as decode_binary
from .binary import encode as encode_binary
from .errors import InvalidRequestError
from .model import Model, TensorSpec
from .tensors import Array, decode, encode

BINARY_SIZE = "binary_data_size"
MOST_DIMENSIONS, MOST_ELEMENTS = 32, 2**48
"""Limits of a tensor, empty dimensions aside; NumPy supports no more dimensions, and no body has so many elements."""


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A request that is valid for the model."""

    id: str | None
    inputs: dict[str, Array]
    outputs: Sequence[TensorSpec]
    binary: frozenset[str] = frozenset()
    """The outputs that follow the JSON of the response as raw bytes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The body of a response."""

    body: bytes
    header_length: int | None = None
    """Number of bytes of JSON at the start, if raw bytes follow."""


def parse_request(body: bytes, model: Model, header_length: int | None = None) -> InferRequest:
    """Parse an inference request for this model.

    Args:
        body: JSON, followed by the tensors that are sent as raw bytes.
        model: the model.
        header_length: number of bytes of JSON, if raw bytes follow.

    Raises:
        InvalidRequestError: it is not JSON, violates the protocol, or does not fit the model; the message says what was
            expected.
    """
    head, parts = split(body, header_length)
    document = _object(_json(head), "the request")
    parameters = _object(document.get("parameters", {}), "'parameters'")
    inputs = _inputs(document.get("inputs"), model.inputs, parts)
    parts.finish()
    outputs = _outputs(document.get("outputs"), model.outputs)
    return InferRequest(_id(document), inputs, outputs, _binary(document.get("outputs"), outputs, parameters))


def encode_response(
    request: InferRequest, results: Mapping[str, Array], *, model_name: str, model_version: str
) -> Answer:
    """Return the response to a request. `data` is flat, in row-major order, for all requests."""
    answer: dict[str, Any] = {"model_name": model_name, "model_version": model_version}
    if request.id is not None:
        answer["id"] = request.id
    if not request.binary:
        answer["outputs"] = [_output(spec, results[spec.name]) for spec in request.outputs]
        return Answer(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY))
    raw = {
        spec.name: encode_binary(results[spec.name], name=spec.name, datatype=spec.datatype)
        for spec in request.outputs
        if spec.name in request.binary
    }
    answer["outputs"] = [_either_output(spec, results[spec.name], raw.get(spec.name)) for spec in request.outputs]
    head = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    return Answer(b"".join((head, *raw.values())), len(head))


def model_metadata(model: Model, *, name: str, version: str) -> dict[str, Any]:
    """Return the model metadata.

    `shape` is `[]` for a tensor of unknown rank. `parameters` of a tensor is an extension of the protocol.
    """
    return {
        "name": name,
        "versions": [version],
        "platform": model.platform,
        "inputs": [_tensor_metadata(spec) for spec in model.inputs],
        "outputs": [_tensor_metadata(spec) for spec in model.outputs],
    }


def _tensor_metadata(spec: TensorSpec) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape or ())}
    if spec.parameters:
        metadata["parameters"] = dict(spec.parameters)
    return metadata


def _output(spec: TensorSpec, array: Array) -> dict[str, Any]:
    output = _tensor_metadata(spec)
    output["shape"] = array.shape
    output["data"] = encode(array, name=spec.name)
    return output


def _either_output(spec: TensorSpec, array: Array, raw: bytes | None) -> dict[str, Any]:
    if raw is None:
        return _output(spec, array)
    metadata = _tensor_metadata(spec)
    parameters = {**metadata.get("parameters", {}), BINARY_SIZE: len(raw)}
    return {**metadata, "shape": array.shape, "parameters": parameters}


def _json(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError(f"the body is not valid JSON: {error}") from error


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequestError(f"{what} must be a JSON object")
    return value


def _id(document: dict[str, Any]) -> str | None:
    request_id = document.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise InvalidRequestError("'id' must be a string")
    return request_id


def _inputs(tensors: object, specs: Sequence[TensorSpec], parts: Parts) -> dict[str, Array]:
    if not isinstance(tensors, list):
        raise InvalidRequestError(f"'inputs' must be an array of tensors; this model has {_named(specs)}")
    known = {spec.name: spec for spec in specs}
    inputs: dict[str, Array] = {}
    for index, item in enumerate(tensors):
        tensor = _object(item, f"inputs[{index}]")
        spec = _known(tensor.get("name"), known, what=f"inputs[{index}]")
        if spec.name in inputs:
            raise InvalidRequestError(f"input '{spec.name}' appears twice")
        inputs[spec.name] = _input(tensor, spec, parts)
    missing = [spec.name for spec in specs if spec.name not in inputs]
    if missing:
        raise InvalidRequestError(f"input '{missing[0]}' is missing; this model has {_named(specs)}")
    return inputs


def _input(tensor: dict[str, Any], spec: TensorSpec, parts: Parts) -> Array:
    datatype = tensor.get("datatype")
    if datatype != spec.datatype:
        given = "no datatype" if datatype is None else f"datatype {datatype!r:.40}"
        raise InvalidRequestError(f"input '{spec.name}' has {given}, but the model requires {spec.datatype}")
    shape = _shape(tensor.get("shape"), spec)
    size = _object(tensor.get("parameters", {}), f"'parameters' of input '{spec.name}'").get(BINARY_SIZE)
    if size is not None:
        return _raw_input(tensor, spec, shape, parts, size)
    return decode(tensor.get("data"), name=spec.name, datatype=spec.datatype, shape=shape)


def _raw_input(tensor: dict[str, Any], spec: TensorSpec, shape: Sequence[int], parts: Parts, size: object) -> Array:
    if type(size) is not int or size < 0:
        raise InvalidRequestError(f"input '{spec.name}': '{BINARY_SIZE}' must be a number of bytes")
    if "data" in tensor:
        raise InvalidRequestError(f"input '{spec.name}' has both 'data' and '{BINARY_SIZE}': send one of them")
    return decode_binary(parts.take(size, spec.name), name=spec.name, datatype=spec.datatype, shape=shape)


def _binary(wanted: object, outputs: Sequence[TensorSpec], parameters: Mapping[str, Any]) -> frozenset[str]:
    """Return the outputs requested as raw bytes. The setting of the request is the default for all outputs."""
    default = _flag(parameters.get("binary_data_output", False), "'binary_data_output'")
    if not wanted:
        return frozenset(spec.name for spec in outputs) if default else frozenset()
    chosen = set()
    for item, spec in zip(cast("list[dict[str, Any]]", wanted), outputs, strict=True):
        own = _object(item.get("parameters", {}), f"'parameters' of output '{spec.name}'")
        if _flag(own.get("binary_data", default), f"'binary_data' of output '{spec.name}'"):
            chosen.add(spec.name)
    return frozenset(chosen)


def _flag(value: object, what: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequestError(f"{what} must be true or false")
    return value


def _shape(shape: object, spec: TensorSpec) -> list[int]:
    if not isinstance(shape, list) or not all(type(length) is int and length >= 0 for length in shape):
        raise InvalidRequestError(f"input '{spec.name}' needs 'shape', an array of non-negative integers")
    if len(shape) > MOST_DIMENSIONS or prod(max(length, 1) for length in shape) > MOST_ELEMENTS:
        raise InvalidRequestError(f"input '{spec.name}' has an impossible shape: {shape!s:.80}")
    if spec.shape is not None and not fits(shape, spec.shape):
        raise InvalidRequestError(
            f"input '{spec.name}' has shape {shape}, but the model requires {list(spec.shape)} (-1 is any length)"
        )
    return shape


def fits(shape: Sequence[int], wanted: Sequence[int]) -> bool:
    """Return whether a shape matches a declared one, where -1 is any length."""
    return len(shape) == len(wanted) and all(length in (-1, given) for given, length in zip(shape, wanted, strict=True))


def _outputs(wanted: object, specs: Sequence[TensorSpec]) -> Sequence[TensorSpec]:
    if wanted is None or wanted == []:
        return specs
    if not isinstance(wanted, list):
        raise InvalidRequestError("'outputs' must be an array of objects with a 'name'")
    known = {spec.name: spec for spec in specs}
    chosen: list[TensorSpec] = []
    for index, item in enumerate(wanted):
        spec = _known(_object(item, f"outputs[{index}]").get("name"), known, what=f"outputs[{index}]")
        if spec in chosen:
            raise InvalidRequestError(f"output '{spec.name}' is requested twice")
        chosen.append(spec)
    return chosen


def _known(name: object, known: Mapping[str, TensorSpec], *, what: str) -> TensorSpec:
    if not isinstance(name, str):
        raise InvalidRequestError(f"{what} needs a 'name'; this model has {_named(list(known.values()))}")
    if name not in known:
        raise InvalidRequestError(f"{what} is '{name:.80}'; this model has {_named(list(known.values()))}")
    return known[name]


def _named(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(f"'{spec.name}'" for spec in specs) or "none"
