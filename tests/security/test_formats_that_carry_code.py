"""Formats that carry code by design: code that their loaders would run is reported, and pure computation is clean."""

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from modelformats.scanning import scan_directory
from support.model_files import DATA, of_each_format, write_model
from support.protobufs import field

if TYPE_CHECKING:
    from collections.abc import Callable


def verdict(directory: Path) -> tuple[str, list[str]]:
    """The verdict of the scan, with the reported names."""
    scan = scan_directory(directory)
    return scan.verdict, sorted({finding.what for finding in scan.findings})


def archive(path: Path, members: dict[str, Any]) -> None:
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in members.items():
            opened.writestr(name, content if isinstance(content, str | bytes) else json.dumps(content))


@pytest.mark.parametrize("name", sorted(of_each_format()))
def test_an_ordinary_model_of_each_format_has_no_findings(name: str, tmp_path: Path) -> None:
    assert verdict(write_model(tmp_path, name))[0] == "clean"


# MLflow

MLMODEL = """
flavors:
  python_function: {loader_module: %s, data: model.pkl%s}
  sklearn: {pickled_model: model.pkl}
"""


@pytest.mark.parametrize(
    ("loader", "more", "expected"),
    [
        ("mlflow.sklearn", "", ("clean", [])),
        ("my_loader", "", ("untrusted", ["my_loader:_load_pyfunc"])),
        ("mlflow.pyfunc.model", "", ("untrusted", ["mlflow.pyfunc.model:_load_pyfunc"])),
        ("mlflow.sklearn", ", code: code", ("untrusted", ["mlflow:code_paths"])),
        ("mlflow.sklearn", ", model_code_path: m.py", ("untrusted", ["mlflow:model_code_path"])),
        ("mlflow.xgboost", ", model_class: os.abort", ("dangerous", ["mlflow:model_class"])),
        ("mlflow.xgboost", ", model_class: xgboost.sklearn.XGBClassifier", ("clean", [])),
        ("[os, path]", "", ("dangerous", ["mlflow:loader_module"])),
        ("../x", "", ("dangerous", ["mlflow:loader_module"])),
    ],
)
def test_the_imports_of_an_mlmodel_are_reported(
    loader: str, more: str, expected: tuple[str, list[str]], tmp_path: Path
) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "MLmodel").write_text(MLMODEL % (loader, more))
    assert verdict(tmp_path) == expected


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ("[numpy.dtype, sklearn.pipeline.Pipeline]", ("clean", [])),
        ("[mine.Transformer]", ("untrusted", ["mine:Transformer"])),
        ("[os.system]", ("dangerous", ["mlflow:skops_trusted_types"])),
        ("[1]", ("dangerous", ["mlflow:skops_trusted_types"])),
    ],
)
def test_the_skops_trusted_types_of_an_mlmodel_are_reported(
    types: str, expected: tuple[str, list[str]], tmp_path: Path
) -> None:
    sklearn = "{serialization_format: skops, skops_trusted_types: %s}" % types  # noqa: UP031 - braces of YAML
    (tmp_path / "MLmodel").write_text(
        f"flavors:\n  python_function: {{loader_module: mlflow.sklearn}}\n  sklearn: {sklearn}\n"
    )
    assert verdict(tmp_path) == expected


# Keras


def keras(*layers: Any) -> dict[str, Any]:
    return {"class_name": "Sequential", "module": "keras", "config": {"name": "m", "layers": list(layers)}}


DENSE = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 2}, "registered_name": None}


def function(module: str, name: str) -> dict[str, Any]:
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (DENSE, ("clean", [])),
        ({**DENSE, "class_name": "Lambda"}, ("dangerous", ["keras.layers:Lambda"])),
        ({**DENSE, "config": {"f": {"class_name": "__lambda__"}}}, ("dangerous", ["keras.layers:Lambda"])),
        ({**DENSE, "module": "mine", "class_name": "Layer"}, ("untrusted", ["mine:Layer"])),
        ({**DENSE, "registered_name": "my>Layer"}, ("untrusted", ["my:Layer"])),
        ({**DENSE, "module": "os", "class_name": "system"}, ("dangerous", ["os:system"])),
        ({**DENSE, "config": {"activation": function("keras.activations", "relu")}}, ("clean", [])),
        ({**DENSE, "config": {"activation": function("builtins", "eval")}}, ("dangerous", ["builtins:eval"])),
        ({**DENSE, "config": {"a": function("keras.utils", "get_file")}}, ("dangerous", ["keras.utils:get_file"])),
        ({**DENSE, "config": {"a": function("keras.config", "enable_unsafe_deserialization")}},
         ("dangerous", ["keras.config:enable_unsafe_deserialization"])),
        ({**DENSE, "class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}},
         ("dangerous", ["keras.layers:vocabulary"])),
        ({**DENSE, "class_name": "StringLookup", "config": {"vocabulary": ["a", "b"]}}, ("clean", [])),
        ({"class_name": "TFOpLambda", "config": {"function": "math.add"}}, ("clean", [])),
        ({"class_name": "TFOpLambda", "config": {"function": "io.read_file"}},
         ("dangerous", ["tensorflow:io.read_file"])),
        ({"class_name": "TensorFlowOpLayer", "config": {"node_def": '{"op": "PyFunc"}'}},
         ("dangerous", ["tensorflow:PyFunc"])),
    ],
)  # fmt: skip
def test_the_code_of_a_keras_configuration_is_reported(
    layer: Any, expected: tuple[str, list[str]], tmp_path: Path
) -> None:
    archive(tmp_path / "model", {"config.json": keras(layer), "metadata.json": {}})  # whatever the name of the file
    assert verdict(tmp_path) == expected


def test_a_lambda_in_hdf5_is_reported(tmp_path: Path) -> None:
    content = (DATA / "h5" / "keras2.h5").read_bytes()
    (tmp_path / "weights").write_bytes(content.replace(b'"class_name": "Dense"', b'"class_name":"Lambda"'))
    assert verdict(tmp_path) == ("dangerous", ["keras.layers:Lambda"])


# TensorFlow


def node(name: str, op: str, *inputs: str, function: str = "", stream: str = "") -> bytes:
    attribute = field(5, field(1, b"f") + field(2, field(10, field(1, function.encode())))) if function else b""
    if stream:
        attribute += field(5, field(1, b"output_stream") + field(2, field(2, stream.encode())))
    parts = field(1, name.encode()) + field(2, op.encode())
    return field(1, parts + b"".join(field(3, each.encode()) for each in inputs) + attribute)


def library(**functions: bytes) -> bytes:
    bodies = (
        field(1, field(1, field(1, name.encode())) + nodes.replace(b"\n", b"\x1a", 1))
        for name, nodes in functions.items()
    )
    return field(2, b"".join(bodies))


def model(graph: bytes, *, output: str = "y:0", saver: bytes = b"") -> bytes:
    signature = field(
        5, field(1, b"serving_default") + field(2, field(2, field(1, b"y") + field(2, field(1, output.encode()))))
    )
    return field(1, 1) + field(2, field(2, graph) + saver + signature)


SAVER = field(3, field(1, b"name:0") + field(2, b"saved:0") + field(3, b"restore"))
SAVING = (
    node("name", "Placeholder")
    + node("call", "StatefulPartitionedCall", "name", function="traced_save")
    + node("saved", "Identity", "call")
    + node("restore", "RestoreV2", "name")
)
COMPUTING = node("x", "Placeholder") + node("y", "Abs", "x")


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (COMPUTING, ("clean", [])),
        (SAVING + COMPUTING + library(traced_save=node("s", "SaveV2")), ("clean", [])),
        (COMPUTING + node("p", "PrintV2", "x"), ("clean", [])),
        (COMPUTING + node("p", "PrintV2", "x", stream="file:///root/.bashrc"), ("dangerous", ["tensorflow:PrintV2"])),
        (COMPUTING + node("w", "WriteFile", "x"), ("dangerous", ["tensorflow:WriteFile"])),
        (COMPUTING + node("w", "_Recv", "x"), ("dangerous", ["tensorflow:_Recv"])),
        (COMPUTING + library(inner=node("p", "EagerPyFunc")), ("dangerous", ["tensorflow:EagerPyFunc"])),
        # The signature also reaches an operator that saves.
        (SAVING + node("y", "Identity", "restore"), ("dangerous", ["tensorflow:RestoreV2"])),
        (
            SAVING + node("y", "PartitionedCall", "name", function="outer")
            + library(outer=node("o", "PartitionedCall", function="traced_save"), traced_save=node("s", "SaveV2")),
            ("dangerous", ["tensorflow:SaveV2"]),
        ),
    ],
)  # fmt: skip
def test_side_effects_of_a_saved_model_are_reported(
    graph: bytes, expected: tuple[str, list[str]], tmp_path: Path
) -> None:
    (tmp_path / "saved_model.pb").write_bytes(model(graph, saver=SAVER))
    assert verdict(tmp_path) == expected


def test_a_frozen_graph_needs_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "graph").write_bytes(COMPUTING + node("r", "RestoreV2", "x") + node("f", "ReadFile", "x"))
    assert verdict(tmp_path) == ("dangerous", ["tensorflow:ReadFile", "tensorflow:RestoreV2"])


# PyTorch


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("y = torch.relu(x)\nz = ops.aten.add(y, 1)\nw = self.save(x)", []),
        ("torch.save(x, '/tmp/x')", ["torch.save"]),
        ("torch . # a comment\n  from_file('/etc/passwd', False, 9)", ["torch.from_file"]),
        ("ops.aten.from_file('/etc/passwd')", ["torch.ops.aten.from_file"]),
        ("ops.mine.run(x)", ["torch.ops.mine.run"]),
        ("ops\n.\nmine\n.\nrun(x)", ["torch.ops.mine.run"]),
        ("x = 'torch.save(x)'  # torch.save(x)", []),
        ("y : __torch__.torch.classes.mine.Thing = x", ["torch.classes.mine"]),
    ],
)
def test_the_calls_of_torchscript_are_reported(code: str, expected: list[str], tmp_path: Path) -> None:
    body = "class M(Module):\n  def forward(self, x: Tensor) -> Tensor:\n    " + code
    archive(tmp_path / "m.bin", {"m/code/__torch__.py": body})
    assert [what.replace(":", ".") for what in verdict(tmp_path)[1]] == expected


def exported(target: str = "torch.ops.aten.add.Tensor", size: str = "s0 + 1") -> dict[str, Any]:
    nodes = [{"target": target, "inputs": [], "outputs": [{"as_sym_int": {"as_expr": {"expr_str": size}}}]}]
    return {"graph_module": {"graph": {"nodes": nodes}}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, []),
        ({"size": "Symbol('s77', positive=True, integer=True)"}, []),
        ({"size": "Max(1, 2*s0) + FloorDiv(u1, 4) - 1.5"}, []),
        ({"target": "_operator.add"}, []),
        ({"target": "torch.sym_max"}, []),
        ({"target": "torch.ops.higher_order.cond"}, []),
        ({"size": "__import__('os').system('true')"}, ["torch:expr_str"]),
        ({"size": "().__class__"}, ["torch:expr_str"]),
        ({"size": "s0.evalf(1)"}, ["torch:expr_str"]),
        ({"size": "Symbol('s0', f=exec('1'))"}, ["torch:expr_str"]),
        ({"size": "open(s0)"}, ["torch:expr_str"]),
        ({"size": "[s0 for s0 in s1]"}, ["torch:expr_str"]),
        ({"target": "torch.os.system"}, ["torch:target"]),
        ({"target": "torch.ops.mine.run.default"}, ["torch.ops.mine:run"]),
        ({"target": "torch.ops.aten.from_file.default"}, ["torch.ops.aten:from_file"]),
    ],
)
def test_the_code_of_an_exported_program_is_reported(
    given: dict[str, str], expected: list[str], tmp_path: Path
) -> None:
    archive(tmp_path / "m.zip", {"m/models/model.json": exported(**given)})
    assert verdict(tmp_path)[1] == expected


# Documents and templates


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_refused_in_every_encoding(encoding: str, tmp_path: Path) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n<!-- x --><!DOCTYPE PMML [<!ENTITY a SYSTEM "file:///etc/passwd">]><PMML/>'
    (tmp_path / "model.pmml").write_bytes(text.encode(encoding))
    assert verdict(tmp_path) == ("dangerous", ["xml:doctype"])


def gguf(template: str) -> bytes:
    def text(value: str) -> bytes:
        return len(value).to_bytes(8, "little") + value.encode()

    key = text("tokenizer.chat_template") + (8).to_bytes(4, "little") + text(template)
    return b"GGUF" + (3).to_bytes(4, "little") + (0).to_bytes(8, "little") + (1).to_bytes(8, "little") + key


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{% for m in messages %}{{ m['content'] | trim }}{% endfor %}", "clean"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "untrusted"),
        ("{{ x | attr('a') }}", "untrusted"),
    ],
)
@pytest.mark.parametrize("kept", ["gguf", "jinja", "tokenizer"])
def test_a_chat_template_that_reaches_python_is_not_trusted(
    template: str, expected: str, kept: str, tmp_path: Path
) -> None:
    files: dict[str, Callable[[], tuple[str, bytes]]] = {
        "gguf": lambda: ("m", gguf(template)),
        "jinja": lambda: ("chat_template.jinja", template.encode()),
        "tokenizer": lambda: ("tokenizer_config.json", json.dumps({"chat_template": template}).encode()),
    }
    name, content = files[kept]()
    (tmp_path / name).write_bytes(content)
    assert verdict(tmp_path)[0] == expected


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("MLmodel", b"a: [b"),
        ("saved_model.pb", b"\xff\xff\xff"),
        ("m.graphdef", b"\x0a\xff"),
        ("m.zip", b"PK\x03\x04no"),
        ("m.h5", b"\x89HDF\r\n\x1a\n" + bytes(20)),
        ("m.gguf", b"GGUF\x09"),
        ("tokenizer_config.json", b"{"),
    ],
)
def test_an_unreadable_file_is_not_clean(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert verdict(tmp_path)[0] == "failed"
