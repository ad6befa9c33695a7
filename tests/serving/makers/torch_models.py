"""Create PyTorch models with their answers: `python torch_models.py <directory>`."""

# mypy: disable-error-code="import-not-found,import-untyped"
# The toolchain has it, the workspace does not.

import sys
from pathlib import Path
from typing import Any

import torch
from cases import place, write
from torch import nn


class Tokens(nn.Module):  # type: ignore[misc]  # the base is untyped
    """Integers as input; a number and a label as output; a parameter with a default."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 4)

    def forward(self, tokens: torch.Tensor, weight: torch.Tensor, k: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
        """Return sums of embeddings, and the position of the largest."""
        total = self.table(tokens).sum(1) * weight * k
        return total, total.argmax(1)


class Repeats(nn.Module):  # type: ignore[misc]  # the base is untyped
    """Returns one of its results twice."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return sum, sum and product."""
        total = x + 1
        return total, total, x * 2


def main(root: Path) -> None:
    """Create all models."""
    image = torch.randn(6, 3, 8, 8)
    cnn: Any = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))
    cnn.eval()
    directory = place(root, "torchscript-undeclared")
    torch.jit.trace(cnn, image).save(str(directory / "model" / "model.pt"))
    answer = cnn(image).detach().numpy()
    write(directory, "TorchScript", {"input": ("FP32", image.numpy())}, {"output_0": answer})
    tokens, weight = torch.randint(0, 10, (6, 3)), torch.rand(6, 1)
    module = Tokens().eval()
    directory = place(root, "torchscript-declared")
    torch.jit.script(module).save(str(directory / "model" / "model.pt"))
    (directory / "ormbfile.yaml").write_text(
        "format: TorchScript\nsignature:\n  inputs:\n  - {name: tokens, dType: int64, size: [-1, 3]}\n"
        "  - {name: weight, dType: float32, size: [-1, 1]}\n"
    )
    total, label = module(tokens, weight)
    given = {"tokens": ("INT64", tokens.numpy()), "weight": ("FP32", weight.numpy())}
    write(directory, "TorchScript", given, {"output_0": total.detach().numpy(), "output_1": label.numpy()})
    directory = place(root, "exportedprogram")
    program = torch.export.export(cnn, (image,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.export.save(program, str(directory / "model" / "model.pt2"))
    write(directory, "ExportedProgram", {"input": ("FP32", image.numpy())}, {"linear": answer})
    directory = place(root, "exportedprogram-repeats")
    program = torch.export.export(Repeats().eval(), (weight,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.export.save(program, str(directory / "model" / "model.pt2"))
    write(directory, "ExportedProgram", {"x": ("FP32", weight.numpy())}, {"add": weight + 1, "mul": weight * 2})


if __name__ == "__main__":
    torch.manual_seed(1)
    main(Path(sys.argv[1]))
