"""TorchScript, run by PyTorch on the CPU.

The archive contains neither types nor shapes of tensors; ormbfile.yaml declares them by position. Undeclared tensors
are FP32 of any shape. Their names are the arguments of forward(), and output_0, output_1 ….
"""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kleverserve.errors import ApiError, ModelLoadError
from kleverserve.model import TensorSpec
from kleverserve.tensors import NUMPY_TYPES, Array, Datatype
from modelfiles.recognition import TORCHSCRIPT
from modelfiles.unpickling.allowlist import Allowlist
from modelfiles.unpickling.errors import RefusedPickleError
from modelfiles.unpickling.guard import guarded

from .declared import FILE_NAME, Declared, declared_signature
from .files import one_line
from .torch_model import DATATYPES, TorchModel, run, use_threads


def load(directory: Path, *, threads: int) -> TorchModel:
    """Load the TorchScript archive in `directory`; one run uses at most `threads` threads.

    Raises:
        ModelLoadError: there is not exactly one, PyTorch cannot load it, or it contradicts the declaration.
    """
    file = TORCHSCRIPT.file(directory)
    use_threads(threads)
    try:
        with guarded(Allowlist.from_environment()):
            module = torch.jit.load(str(file), map_location="cpu").eval()
    except (RuntimeError, ValueError, RefusedPickleError) as error:
        raise ModelLoadError(f"PyTorch cannot load {file} as TorchScript: {one_line(error)}") from error
    signature = declared_signature(directory)
    inputs = _inputs(module, signature.inputs)
    outputs = _outputs(module, inputs, signature.outputs)
    return TorchModel(module, platform="pytorch_torchscript", inputs=inputs, outputs=outputs)


def _inputs(module: Any, declared: Sequence[Declared]) -> list[TensorSpec]:
    arguments = module.forward.schema.arguments[1:]
    needed = [argument.name for argument in arguments if not argument.has_default_value()]
    count = len(declared) or len(needed)
    if not len(needed) <= count <= len(arguments):
        raise ModelLoadError(
            f"the model takes {len(needed)} inputs ({', '.join(needed)}), but {FILE_NAME} declares {count}"
        )
    strange = next((each for each in arguments[:count] if str(each.type) not in ("Tensor", "Optional[Tensor]")), None)
    if strange is not None:
        raise ModelLoadError(f"the model's input '{strange.name}' is a {strange.type}, which V2 does not support")
    entries = declared or [Declared(argument.name) for argument in arguments[:count]]
    return [TensorSpec(entry.name, entry.datatype or Datatype.FP32, entry.shape) for entry in entries]


def _outputs(module: Any, inputs: Sequence[TensorSpec], declared: Sequence[Declared]) -> list[TensorSpec]:
    trial = _trial(module, inputs)
    count = len(trial) if trial is not None else len(declared) or _count(module)
    if declared and len(declared) != count:
        raise ModelLoadError(f"the model has {count} outputs, but {FILE_NAME} declares {len(declared)}")
    entries = declared or [Declared(f"output_{position}") for position in range(count)]
    observed = [DATATYPES.get(_torch_type(array), Datatype.FP32) for array in trial or ()] or [Datatype.FP32] * count
    return [
        TensorSpec(entry.name, entry.datatype or seen, entry.shape)
        for entry, seen in zip(entries, observed, strict=True)
    ]


def _trial(module: Any, inputs: Sequence[TensorSpec]) -> list[Array] | None:
    """Return the results for zeros; None if a shape is unknown, or the model rejects zeros."""
    if any(spec.shape is None for spec in inputs):
        return None
    zeros = [np.zeros([max(n, 1) for n in spec.shape or ()], NUMPY_TYPES[spec.datatype]) for spec in inputs]
    try:
        return run(module, zeros)
    except ApiError:
        return None


def _torch_type(array: Array) -> Any:
    return torch.from_numpy(array).dtype


def _count(module: Any) -> int:
    (result,) = module.forward.schema.returns
    if result.type.kind() == "TensorType":
        return 1
    if result.type.kind() == "TupleType":
        return len(result.type.elements())
    raise ModelLoadError(
        f"the model returns a {result.type}, whose length is not in the file: "
        f"declare each output with its name in {FILE_NAME}, under signature.outputs"
    )
