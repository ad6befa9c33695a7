"""Shared by the programs of PyTorch: example inputs, calls, and the outputs by position."""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from modelfiles.unpickling.allowlist import Allowlist, parse_trust
from modelfiles.unpickling.errors import RefusedPickleError
from modelfiles.unpickling.guard import guarded

from ..program import INPUT_SHAPE_NEEDED, INVALID_MODEL, Input, ProblemError, Request

BATCH, FREE = 2, 16
"""Sizes of the example in a first dimension, and in others, of any size."""
_INTEGERS = frozenset({"int8", "int16", "int32", "int64", "uint8"})


def load_script(request: Request) -> Any:
    """Load a TorchScript module, for inference on the CPU. Raises ProblemError if the file is invalid."""
    path = request.file
    try:
        with guarded(Allowlist(frozenset(map(parse_trust, request.trust)))):
            return torch.jit.load(str(path), map_location="cpu").eval()
    except (RuntimeError, RefusedPickleError) as error:
        raise ProblemError(INVALID_MODEL, f"PyTorch cannot load {path.name}: {last_line(error)}") from error


def load_exported(path: Path) -> Any:
    """Load an exported program. Raises ProblemError if the file is invalid."""
    try:
        with guarded(Allowlist()):
            return torch.export.load(str(path))
    except (RuntimeError, ValueError, KeyError, OSError, RefusedPickleError) as error:
        raise ProblemError(INVALID_MODEL, f"PyTorch cannot load {path.name}: {last_line(error)}") from error


def examples(inputs: Sequence[Input]) -> list[Any]:
    """Return a tensor for each input. Raises ProblemError if its type or shape is unknown."""
    return [_example(entry) for entry in inputs]


def _example(entry: Input) -> Any:
    dtype = getattr(torch, entry.dtype or "", None)
    if entry.shape is None or not isinstance(dtype, torch.dtype):
        raise ProblemError(
            INPUT_SHAPE_NEEDED,
            f"the files do not contain the type and shape of input {entry.name}: declare them in ormbfile.yaml",
        )
    sizes = [
        size if isinstance(size, int) and size >= 0 else (FREE if position else BATCH)
        for position, size in enumerate(entry.shape)
    ]
    if dtype is torch.bool or entry.dtype in _INTEGERS:
        return torch.randint(0, 2, sizes).to(dtype)
    return torch.randn(sizes).to(dtype)


def defaults_after(module: Any, count: int) -> list[Any]:
    """Return the defaults of a script's parameters after the first `count`. Raises ProblemError if one has none."""
    parameters = module.forward.schema.arguments[1:]
    missing = [each.name for each in parameters[count:] if not each.has_default_value()]
    if missing or count > len(parameters):
        raise ProblemError(
            INPUT_SHAPE_NEEDED,
            f"the model takes {len(parameters)} inputs ({', '.join(each.name for each in parameters)}), "
            f"{count} are declared: declare each with its type and shape in ormbfile.yaml",
        )
    return [each.default_value for each in parameters[count:]]


def flattened(result: Any) -> dict[str, Any]:
    """Return the tensors of a result by position: PyTorch's outputs have no names."""
    return {f"output_{position}": tensor for position, tensor in enumerate(_tensors(result))}


def _tensors(result: Any) -> list[Any]:
    if isinstance(result, torch.Tensor):
        return [result]
    values = result.values() if isinstance(result, dict) else result if isinstance(result, list | tuple) else ()
    return [tensor for value in values for tensor in _tensors(value)]


def last_line(error: Exception) -> str:
    """Return the last line of PyTorch's message; the lines before it are locations in its source code."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
