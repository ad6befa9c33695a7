"""Create PyTorch models with PyTorch: `python torch_models.py <directory>`, one directory for each model."""

# mypy: disable-error-code="import-not-found,import-untyped"
# The toolchain has it, the workspace does not.

import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn


class TwoInputs(nn.Module):  # type: ignore[misc]  # the base is untyped
    """Two inputs, a parameter with a default, two outputs, and control flow that a trace does not record."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 3)
        self.second = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor, y: torch.Tensor, k: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the sum repeated k times, and the input."""
        total = self.first(x)
        for _ in range(k):
            total = total + self.second(y)
        return total, torch.softmax(total, dim=1)


class Foreign(nn.Module):  # type: ignore[misc]  # the base is untyped
    """An operator that ONNX lacks."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the result of the operator."""
        return torch.special.i1(x)


def cnn() -> Any:
    """A convolution, batch normalisation, a layer."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)
    ).eval()


if __name__ == "__main__":
    torch.manual_seed(1)
    image = torch.randn(2, 3, 8, 8)
    scripts = {
        "traced": torch.jit.trace(cnn(), image),
        "scripted": torch.jit.script(TwoInputs().eval()),
        "foreign": torch.jit.script(Foreign().eval()),
    }
    for name, script in scripts.items():
        directory = Path(sys.argv[1], name)
        directory.mkdir()
        script.save(str(directory / "model.pt"))
    exported = Path(sys.argv[1], "exported")
    exported.mkdir()
    batch = torch.export.Dim("batch")
    program = torch.export.export(cnn(), (image,), dynamic_shapes=({0: batch},))
    torch.export.save(program, str(exported / "model.pt2"))
