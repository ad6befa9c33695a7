"""TorchScript archives, exported programs, and files of torch.save, written by the real PyTorch."""

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kleverproto.signatures import Signature
from modelformats import InvalidModelError, detect_format, extract_signature
from support.model_files import DATA, write

NETWORK = (56, {"float32": 220, "int64": 8})
"""Weights and statistics of a convolution, a normalisation and a layer."""


def parsed(directory: Path, file: str, name: str = "model.pt") -> Signature:
    """The signature of a real file, whose format its content shows."""
    shutil.copy(DATA / file, directory / name)
    detected = detect_format(directory)
    assert detected is not None
    return extract_signature(detected, directory)


def counted(signature: Signature) -> tuple[int, dict[str, int]]:
    assert signature.parameters is not None
    return signature.parameters.count, signature.parameters.bytes_by_dtype


def rewritten(directory: Path, file: str, change: Callable[[str, bytes], bytes | None]) -> Path:
    """A real archive with other members; None removes one."""
    made = io.BytesIO()
    with zipfile.ZipFile(DATA / file) as source, zipfile.ZipFile(made, "w") as target:
        for name in source.namelist():
            content = change(name, source.read(name))
            if content is not None:
                target.writestr(name, content)
    return write(directory, Path(file).name, made.getvalue())


def test_a_trace_has_arguments_operators_and_weights(tmp_path: Path) -> None:
    signature = parsed(tmp_path, "torchscript/traced.pt", "weights")
    assert ([t.name for t in signature.inputs], [t.name for t in signature.outputs]) == (["x"], ["output_0"])
    expected = ("_convolution", "batch_norm", "flatten", "linear", "relu", "softmax")
    assert signature.operators == dict.fromkeys(expected, 1)
    assert counted(signature) == NETWORK
    assert signature.details["class"] == "__torch__.Net"
    assert set(signature.unknown) == {"inputs", "outputs", "framework_version"}


def test_a_scripts_defaults_are_not_inputs_and_shared_code_counts_for_each_module(tmp_path: Path) -> None:
    signature = parsed(tmp_path, "torchscript/scripted.pt")
    assert [t.name for t in signature.inputs] == ["x", "y"]
    assert [t.name for t in signature.outputs] == ["output_0", "output_1"]
    assert signature.operators == {"add": 1, "linear": 2, "softmax": 1}
    assert signature.details["arguments"] == {"x": "Tensor", "y": "Tensor", "k": "int = 2", "name": 'str = "a"'}


@pytest.mark.parametrize(
    ("arguments", "inputs"),
    [
        (b"x: Dict[str, Tensor],\n    n: int", [("x", None, None), ("n", "int64", ())]),
        (b"x: Optional[Tensor]=None", []),
        (b"", []),
    ],
)
def test_arguments_of_other_types_are_named(tmp_path: Path, arguments: bytes, inputs: list[Any]) -> None:
    def change(name: str, content: bytes) -> bytes:
        return content.replace(b"x: Tensor", arguments) if name.endswith("code/__torch__.py") else content

    signature = extract_signature("TorchScript", rewritten(tmp_path, "torchscript/traced.pt", change))
    assert [(t.name, t.dtype, t.shape) for t in signature.inputs] == inputs


def test_weights_are_reported_without_code(tmp_path: Path) -> None:
    directory = rewritten(tmp_path, "torchscript/traced.pt", lambda name, old: None if "/code/" in name else old)
    signature = extract_signature("TorchScript", directory)
    assert (signature.inputs, signature.operators, counted(signature)) == ((), {}, NETWORK)
    assert "no readable forward()" in signature.unknown["inputs"]


def test_an_exported_program_is_described_completely(tmp_path: Path) -> None:
    signature = parsed(tmp_path, "exportedprogram/net.pt2", "weights")
    assert [(t.name, t.dtype, t.shape) for t in signature.inputs] == [("x", "float32", ("s77", 1, 4, 4))]
    assert [(t.name, t.dtype, t.shape) for t in signature.outputs] == [("softmax", "float32", ("s77", 3))]
    assert signature.operators["aten.conv2d"] == signature.operators["aten.softmax.int"] == 1
    assert (counted(signature), signature.framework_version) == (NETWORK, "2.13.0+cu130")
    assert signature.details["schema_version"] == "8.20"


def test_operators_of_inner_graphs_and_numeric_inputs_are_reported(tmp_path: Path) -> None:
    def change(name: str, content: bytes) -> bytes:
        if not name.endswith("model.json"):
            return content
        program = json.loads(content)
        graph, graph_signature = program["graph_module"]["graph"], program["graph_module"]["signature"]
        inner = {"nodes": [{"target": "torch.ops.aten.sin.default", "inputs": []}]}
        graph["nodes"][0]["inputs"].append({"arg": {"as_graph": {"name": "branch", "graph": inner}}})
        graph_signature["input_specs"].append({"user_input": {"arg": {"as_int": 3}}})
        return json.dumps(program).encode()

    signature = extract_signature("ExportedProgram", rewritten(tmp_path, "exportedprogram/net.pt2", change))
    assert signature.operators["aten.sin"] == 1
    assert (signature.inputs[-1].dtype, signature.inputs[-1].shape) == ("int64", ())


@pytest.mark.parametrize(
    ("file", "kind", "modules"),
    [
        ("pickle/state.pt", "collections.OrderedDict", {}),
        ("pickle/legacy.pth", "dict", {}),
        ("pickle/module.pt", "__main__.Net", {"BatchNorm2d": 1, "Conv2d": 1, "Linear": 1, "Net": 1}),
    ],
)
def test_the_content_of_a_file_saved_by_torch_is_counted(
    tmp_path: Path, file: str, kind: str, modules: dict[str, int]
) -> None:
    signature = parsed(tmp_path, file)
    assert (signature.details["class"], signature.details["tensors"]) == (kind, 9)
    assert (signature.operators, counted(signature)) == (modules, NETWORK)
    assert "declare it in ormbfile.yaml" in signature.unknown["inputs"]


@pytest.mark.parametrize(
    ("format_name", "file", "missing", "reason"),
    [
        ("TorchScript", "torchscript/traced.pt", "data.pkl", "save the model with torch.jit.save"),
        ("ExportedProgram", "exportedprogram/net.pt2", "model.json", "0 graphs, not one"),
    ],
)
def test_an_archive_without_its_graph_is_refused(
    tmp_path: Path, format_name: str, file: str, missing: str, reason: str
) -> None:
    directory = rewritten(tmp_path, file, lambda name, old: None if name.endswith(f"/{missing}") else old)
    with pytest.raises(InvalidModelError, match=reason):
        extract_signature(format_name, directory)
