"""Compares our parsers with those of netron, which share no code, on the same files. Needs Node."""

import asyncio
import json
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from kleverkit.directories import toolchains_directory
from kleverproto.signatures import Tensor
from modelconversion.errors import ConversionError
from modelconversion.toolchains.store import ToolchainStore
from modelformats import extract_signature
from support import model_files

HERE = Path(__file__).with_name("netron")
AROUND = {"inputlayer", "parameter", "result", "const", "input", "data", "constant"}
"""Elements that one of the two counts as an operator and the other as an input, output or weight."""
OPERATORS = (
    *("CaffeModel", "CoreML", "ExportedProgram", "GraphDef", "H5", "Keras", "MXNetParams", "NetDef", "ONNX"),
    *("OpenVINO", "PaddlePaddle", "TFLite", "TorchScript"),
)
"""Formats whose graph netron shows."""
SHAPES = ("ExportedProgram", "ONNX", "OpenVINO", "PaddlePaddle", "TFLite")
"""Formats whose input shapes netron shows."""
TYPES = {*SHAPES, "CoreML"}
LEFT_OUT = {"CaffeModel": {"relu", "softmaxwithloss"}, "GraphDef": {"identity"}}
"""Operators that netron does not draw separately: in-place activations, layers of training, and identities."""


@pytest.fixture(scope="module")
def netron() -> Path:
    """The directory of netron's modules."""
    store = ToolchainStore(toolchains_directory(), recipes=HERE / "recipes")
    try:
        python = asyncio.run(store.ensure("netron", print))
    except ConversionError as error:
        pytest.skip(f"netron cannot be run here: {error}")
    return next(python.parent.parent.glob("lib/python*/site-packages/netron"))


def seen(netron: Path, file: Path) -> Any:
    """Return netron's view of a file."""
    command = ["node", str(HERE / "open_model.mjs"), str(netron), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    listed = json.loads(done.stdout)
    assert "error" not in listed, listed
    return listed


def plain(operators: dict[str, int]) -> Counter[str]:
    """Counts by names without case, punctuation and overloads."""
    counts: Counter[str] = Counter()
    for name, count in operators.items():
        bare = re.sub(r"^(torch\.ops\.)?(aten|prim)(\.|::)|\.(default|int|using_ints)$", "", name)
        counts[re.sub(r"[^a-z0-9]", "", bare.lower())] += count
    return Counter({name: count for name, count in counts.items() if name not in AROUND})


def written(name: str, directory: Path) -> Path:
    """The model of the tests, and the file with its graph. netron draws loops, so TorchScript is a trace."""
    if name == "TorchScript":
        model_files.write(directory, "model.pt", (model_files.DATA / "torchscript" / "traced.pt").read_bytes())
        return directory / "model.pt"
    model_files.write_model(directory, name)
    return directory / model_files.of_each_format()[name][0]


@pytest.mark.parametrize("name", OPERATORS)
def test_the_same_operators_are_counted(name: str, tmp_path: Path, netron: Path) -> None:
    file = written(name, tmp_path)
    ours, theirs = plain(extract_signature(name, tmp_path).operators), plain(seen(netron, file)["operators"])
    for left_out in LEFT_OUT.get(name, ()):
        del ours[left_out], theirs[left_out]
    assert ours == theirs


@pytest.mark.parametrize("name", SHAPES)
def test_the_inputs_have_the_same_shapes(name: str, tmp_path: Path, netron: Path) -> None:
    file = written(name, tmp_path)
    ours = sorted(_sizes(tensor) for tensor in extract_signature(name, tmp_path).inputs)
    shapes = (each["shape"] for each in seen(netron, file)["inputs"])
    assert ours == sorted([size if isinstance(size, int) else -1 for size in shape] for shape in shapes)


@pytest.mark.parametrize("name", sorted(TYPES))
def test_the_inputs_have_the_same_types(name: str, tmp_path: Path, netron: Path) -> None:
    file = written(name, tmp_path)
    ours = sorted(str(tensor.dtype) for tensor in extract_signature(name, tmp_path).inputs)
    assert ours == sorted(each["type"] for each in seen(netron, file)["inputs"])


def _sizes(tensor: Tensor) -> list[int]:
    return [size if isinstance(size, int) else -1 for size in tensor.shape or ()]
