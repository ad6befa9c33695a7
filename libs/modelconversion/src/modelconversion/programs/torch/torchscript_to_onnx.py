"""Converts a TorchScript module to ONNX. The shapes of its inputs are not in its files and must be declared."""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

import inspect
from typing import Any

import torch

from ..program import INPUT_SHAPE_NEEDED, UNSUPPORTED_OPERATOR, ProblemError, Request, main, print_progress
from .models import defaults_after, examples, flattened, last_line, load_script

_OPSET = 16
"""The newest opset that the TorchScript exporter of PyTorch 1.13 supports."""


class _Bound(torch.nn.Module):  # type: ignore[misc]  # the base is untyped
    """The script with its last parameters at their defaults, which are not inputs of the ONNX model."""

    def __init__(self, script: Any, defaults: list[Any]) -> None:
        super().__init__()
        self.script = script
        self.defaults = defaults

    def forward(self, *inputs: Any) -> Any:
        """Call the script."""
        return self.script(*inputs, *self.defaults)


def convert(request: Request) -> dict[str, str]:
    """Convert the module after it has run on an example."""
    module = load_script(request)
    if not request.inputs:
        raise ProblemError(
            INPUT_SHAPE_NEEDED, "a TorchScript model does not describe its inputs: declare them in ormbfile.yaml"
        )
    arguments = tuple(examples(request.inputs))
    defaults = defaults_after(module, len(arguments))
    outputs = list(_run(module, (*arguments, *defaults)))
    if defaults:
        # This call is traced; the control flow within the script is preserved.
        module = torch.jit.trace(_Bound(module, defaults), arguments, check_trace=False)
    print_progress(f"exporting {len(request.inputs)} inputs and {len(outputs)} outputs")
    try:
        torch.onnx.export(
            module,
            arguments,
            str(request.destination / "model.onnx"),
            input_names=[entry.name for entry in request.inputs],
            output_names=outputs,
            dynamic_axes={entry.name: _free_axes(entry.name, entry.shape or ()) for entry in request.inputs},
            opset_version=int(request.options.get("opset", _OPSET)),
            **_old_exporter(),
        )
    except torch.onnx.errors.UnsupportedOperatorError as error:
        reason = str(error).split(". ", maxsplit=1)[0]
        raise ProblemError(UNSUPPORTED_OPERATOR, f"PyTorch cannot export the model: {reason}") from error
    return {"torch": torch.__version__}


def _run(module: Any, arguments: tuple[Any, ...]) -> dict[str, Any]:
    try:
        with torch.no_grad():
            return flattened(module(*arguments))
    except RuntimeError as error:
        raise ProblemError(
            INPUT_SHAPE_NEEDED,
            f"the model does not run on the declared inputs ({last_line(error)}): correct ormbfile.yaml",
        ) from error


def _free_axes(name: str, shape: tuple[int | str, ...]) -> dict[int, str]:
    """Return dimensions of any size, by position; symbols keep their names."""
    return {
        position: size if isinstance(size, str) else f"{name}_{position}"
        for position, size in enumerate(shape)
        if isinstance(size, str) or size < 0
    }


def _old_exporter() -> dict[str, Any]:
    """Return the options for the old exporter: the new one of PyTorch 2 does not support scripts."""
    return {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}


if __name__ == "__main__":
    main(convert)
