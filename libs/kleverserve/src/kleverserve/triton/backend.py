"""The model in Triton's python backend. Each instance is a process of Triton with a separate copy of the model."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

# available only in a process of the backend
import triton_python_backend_utils as triton

from kleverserve.app import load_model
from kleverserve.errors import InvalidRequestError
from kleverserve.tensors import Array

from .batching import Result, Work, run_all


class TritonPythonModel:
    """The class in `model.py` that the python backend requires."""

    def initialize(self, given: dict[str, str]) -> None:
        """Load the model that the parameters of the configuration name."""
        config = json.loads(given["model_config"])
        parameters = {key: value["string_value"] for key, value in config["parameters"].items()}
        directory, threads = Path(parameters["model_dir"]), int(parameters["threads"])
        self._model = load_model(directory, format=parameters["format"], threads=threads)
        self._joined = config["max_batch_size"] > 0
        self._inputs = [spec.name for spec in self._model.inputs]
        self._outputs = [spec.name for spec in self._model.outputs]

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Return a response to each request; an error affects only its own request."""
        works: list[Work | InvalidRequestError] = [self._work(request) for request in requests]
        results = iter(run_all(self._model, [work for work in works if isinstance(work, Work)], may_join=self._joined))
        return [_response(next(results) if isinstance(work, Work) else work) for work in works]

    def _work(self, request: Any) -> Work | InvalidRequestError:
        wanted = set(request.requested_output_names())
        outputs = [name for name in self._outputs if name in wanted]
        try:
            return Work({name: _input(request, name) for name in self._inputs}, outputs)
        except InvalidRequestError as error:
            return error


def _input(request: Any, name: str) -> Array:
    array: Array = triton.get_input_tensor_by_name(request, name).as_numpy()
    return _text(array, name) if array.dtype == object else array


def _text(array: Array, name: str) -> Array:
    try:
        values = [value.decode() for value in array.ravel().tolist()]
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"input '{name}' contains bytes that are not UTF-8 text") from error
    return np.array(values, dtype=object).reshape(array.shape)


def _response(result: Result) -> Any:
    if isinstance(result, dict):
        tensors = [triton.Tensor(name, np.ascontiguousarray(array)) for name, array in result.items()]
        return triton.InferenceResponse(output_tensors=tensors)
    code = triton.TritonError.INVALID_ARG if result.status < 500 else triton.TritonError.INTERNAL  # noqa: PLR2004
    return triton.InferenceResponse(error=triton.TritonError(str(result), code))
