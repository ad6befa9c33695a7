"""Runs a PyTorch model once: TorchScript or exported program."""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

from typing import Any

import torch

from ..program import Request, main
from ..samples import first_that_runs, read_samples, write_results
from .models import defaults_after, flattened, load_exported, load_script


def convert(request: Request) -> dict[str, str]:
    """Run the model on the samples, in order."""
    samples = [torch.from_numpy(value) for value in read_samples(request).values()]
    with torch.no_grad():
        results = flattened(_call(request, samples))
    write_results(request, {name: value.numpy() for name, value in results.items()})
    return {"torch": torch.__version__}


def _call(request: Request, samples: list[Any]) -> Any:
    if request.format == "ExportedProgram":
        return load_exported(request.file).module()(*samples)
    module = load_script(request)
    return module(*samples, *defaults_after(module, len(samples)))


if __name__ == "__main__":
    main(first_that_runs(convert))
