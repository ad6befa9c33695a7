"""Shared by TorchScript and exported programs: running a module, and its outputs by position."""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from kleverserve.errors import ExecutionError
from kleverserve.model import TensorSpec
from kleverserve.tensors import NUMPY_TYPES, Array, Datatype

from .declared import FILE_NAME
from .runs import running

DATATYPES = {
    torch.bool: Datatype.BOOL,
    torch.uint8: Datatype.UINT8,
    torch.int8: Datatype.INT8,
    torch.int16: Datatype.INT16,
    torch.int32: Datatype.INT32,
    torch.int64: Datatype.INT64,
    torch.float16: Datatype.FP16,
    torch.float32: Datatype.FP32,
    torch.float64: Datatype.FP64,
}


def use_threads(threads: int) -> None:
    """Set the number of threads that one run may use."""
    torch.set_num_threads(threads)


class TorchModel:
    """A callable of tensors as a `Model`; its results are matched to the outputs by position."""

    row_wise = False
    example = None

    def __init__(
        self,
        call: Callable[..., Any],
        *,
        platform: str,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
    ) -> None:
        self.platform = platform
        self.inputs = inputs
        self.outputs = outputs
        self._call = call
        self._positions = {spec.name: position for position, spec in enumerate(outputs)}

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        """Run the module; see `Model.predict`."""
        results = run(self._call, [inputs[spec.name] for spec in self.inputs])
        if len(results) != len(self.outputs):
            raise ExecutionError(f"the model returned {len(results)} tensors, expected {len(self.outputs)}")
        return {name: self._as_declared(results[self._positions[name]], name) for name in outputs}

    def _as_declared(self, values: Array, name: str) -> Array:
        spec = self.outputs[self._positions[name]]
        wanted = NUMPY_TYPES[spec.datatype]
        if values.dtype != wanted and not (values.dtype.kind == wanted.kind == "f"):
            raise ExecutionError(
                f"output '{name}' is {values.dtype}, declared as {wanted}: "
                f"declare the model's outputs with their dType in {FILE_NAME}, under signature.outputs"
            )
        return values.astype(wanted, copy=False)


def run(call: Callable[..., Any], arrays: Sequence[Array]) -> list[Array]:
    """Return the tensors that the module returns, in order. Tuples, lists and dictionaries are flattened.

    Raises:
        InvalidRequestError: the module rejects shapes or types.
        ExecutionError: it fails in any other way.
    """
    with running(), torch.inference_mode():
        return [_array(tensor) for tensor in flattened(call(*(torch.from_numpy(_writable(array)) for array in arrays)))]


def _writable(array: Array) -> Array:
    """Return a writable copy: PyTorch warns about arrays that are not writable."""
    return array if array.flags.writeable and array.flags.c_contiguous else np.array(array, order="C")


def _array(tensor: Any) -> Array:
    widened = tensor.float() if tensor.dtype is torch.bfloat16 else tensor
    return np.asarray(widened.detach().cpu().resolve_conj().numpy())


def flattened(result: Any) -> list[Any]:
    """Return the tensors of a nested result."""
    if isinstance(result, torch.Tensor):
        return [result]
    values = result.values() if isinstance(result, dict) else result if isinstance(result, list | tuple) else ()
    return [tensor for value in values for tensor in flattened(value)]
