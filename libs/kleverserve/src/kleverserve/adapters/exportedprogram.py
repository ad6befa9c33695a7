"""Programs of torch.export (.pt2), run by PyTorch on the CPU, with the names, types and shapes of the export."""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from kleverserve.errors import ModelLoadError
from kleverserve.model import TensorSpec
from modelfiles.recognition import EXPORTED_PROGRAM
from modelfiles.unpickling.allowlist import Allowlist
from modelfiles.unpickling.errors import RefusedPickleError
from modelfiles.unpickling.guard import guarded

from .files import called, one_line
from .torch_model import DATATYPES, TorchModel, flattened, use_threads


def load(directory: Path, *, threads: int) -> TorchModel:
    """Load the exported program in `directory`; one run uses at most `threads` threads.

    Raises:
        ModelLoadError: there is not exactly one, PyTorch cannot load it, or V2 cannot represent its inputs.
    """
    file = EXPORTED_PROGRAM.file(directory)
    use_threads(threads)
    try:
        with guarded(Allowlist.from_environment()), called(file, ".pt2") as named:
            program = torch.export.load(str(named))
        call = program.module()
    except (RuntimeError, ValueError, KeyError, OSError, RefusedPickleError) as error:
        raise ModelLoadError(f"PyTorch cannot load {file} as an exported program: {one_line(error)}") from error
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    signature = program.graph_signature
    inputs = [_spec(name, values.get(name)) for name in signature.user_inputs]
    names = list(signature.user_outputs)
    outputs = [_spec(name, values.get(name)) for name in dict.fromkeys(names)]
    return TorchModel(_without_repeats(call, names), platform="pytorch_exportedprogram", inputs=inputs, outputs=outputs)


def _without_repeats(call: Callable[..., Any], names: list[str]) -> Callable[..., list[Any]]:
    """Merge results that are returned twice: they have the same name, and are one output."""
    places = [names.index(name) for name in dict.fromkeys(names)]

    def distinct(*inputs: Any) -> list[Any]:
        results = flattened(call(*inputs))
        return [results[place] for place in places]

    return distinct


def _spec(name: str, value: Any) -> TensorSpec:
    if not isinstance(value, torch.Tensor) or value.dtype not in DATATYPES:
        raise ModelLoadError(f"'{name}' is not a tensor of a type that V2 supports, so the program cannot be served")
    shape = tuple(length if isinstance(length, int) else -1 for length in value.shape)
    return TensorSpec(name, DATATYPES[value.dtype], shape)
