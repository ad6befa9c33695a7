"""Parsing PaddlePaddle's inference models."""

import json
from pathlib import Path
from shutil import copy
from typing import Any

import pytest

from kleverproto.signatures import Signature
from modelformats import InvalidModelError, detect_format, extract_signature
from support.model_files import DATA, write
from support.protobufs import field

FILES = DATA / "paddlepaddle"
FLOAT32, FEED_LIST, DENSE, SELECTED_ROWS = 5, 9, 7, 8


def of_files(directory: Path, *names: str) -> Signature:
    for name in names:
        copy(FILES / name, directory)
    assert detect_format(directory) == "PaddlePaddle"
    return extract_signature("PaddlePaddle", directory)


def operator(kind: str, *, reads: bytes = b"", writes: bytes = b"", column: int = 0) -> bytes:
    """An OpDesc in its field of the block."""
    slots = b"".join(field(number, field(2, name)) for number, name in ((1, reads), (2, writes)) if name)
    return field(4, slots + field(3, kind.encode()) + field(4, field(1, b"col") + field(3, column)))


def variable(name: bytes, kind: int, tensor: bytes = b"") -> bytes:
    """A VarDesc in its field of the block."""
    return field(3, field(1, name) + field(2, field(1, kind) + field(3, field(1, tensor))))


def pir(*operators: dict[str, Any]) -> str:
    program = {"regions": [{"#": "region_0", "blocks": [{"#": "block_0", "args": [], "ops": list(operators)}]}]}
    return json.dumps({"base_code": {"magic": "pir", "version": 1}, "program": program})


def test_the_fed_and_fetched_tensors_of_a_program_are_reported(tmp_path: Path) -> None:
    signature = of_files(tmp_path, "iris.pdmodel", "iris.pdiparams")
    assert [(tensor.name, tensor.dtype, tensor.shape) for tensor in signature.inputs] == [("x", "float32", (-1, 4))]
    assert [(tensor.dtype, tensor.shape) for tensor in signature.outputs] == [("float32", (-1, 3))]
    assert signature.operators == {"matmul_v2": 1, "elementwise_add": 1, "softmax": 1}
    assert signature.parameters is not None
    assert signature.parameters.bytes_by_dtype == {"float32": (4 * 3 + 3) * 4}
    assert signature.framework_version == "3.3.1"
    assert signature.unknown == {}


def test_a_program_of_pir_gives_the_same_result(tmp_path: Path) -> None:
    signature = of_files(tmp_path, "pir.json", "iris.pdiparams")
    assert [(tensor.name, tensor.dtype, tensor.shape) for tensor in signature.inputs] == [("x", "float32", (-1, 4))]
    assert [(tensor.dtype, tensor.shape) for tensor in signature.outputs] == [("float32", (-1, 3))]
    assert signature.operators == {"matmul": 1, "add": 1, "softmax": 1}
    assert signature.parameters is not None
    assert signature.parameters.count == 4 * 3 + 3


def test_inputs_are_in_the_order_of_their_columns(tmp_path: Path) -> None:
    tensor = field(1, FLOAT32) + field(2, 4)
    block = operator("feed", writes=b"b", column=1) + operator("feed", writes=b"a") + operator("fetch", reads=b"list")
    block += variable(b"a", DENSE, tensor) + variable(b"b", DENSE, tensor) + variable(b"list", FEED_LIST)
    inner = operator("relu")
    write(tmp_path, "m.pdmodel", field(1, block) + field(1, inner))
    signature = extract_signature("PaddlePaddle", write(tmp_path, "m.pdiparams", b""))
    assert [(tensor.name, tensor.dtype, tensor.shape) for tensor in signature.inputs] == [
        ("a", "float32", (4,)),
        ("b", "float32", (4,)),
    ]
    assert signature.operators == {"relu": 1}
    assert list(signature.unknown) == ["list"]
    assert signature.framework_version is None


def test_operators_of_branches_are_reported_too(tmp_path: Path) -> None:
    inner = {"#": "1.relu", "A": [], "O": []}
    write(tmp_path, "m.json", pir({"#": "1.if", "A": [], "O": [], "regions": [{"blocks": [{"ops": [inner]}]}]}))
    signature = extract_signature("PaddlePaddle", write(tmp_path, "m.pdiparams", b""))
    assert signature.operators == {"if": 1, "relu": 1}
    assert {"inputs", "outputs"} < set(signature.unknown)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.pdmodel", b""),
        ("m.pdmodel", b"\x0a\x7f"),
        ("m.json", pir()),
        ("m.json", pir({"#": "1.data"})),
        ("m.json", '{"base_code": {"magic": "pir"}, "program": ' + "[" * 100_000),
    ],
    ids=["empty", "cut", "no-operators", "no-types", "deep"],
)
def test_other_content_is_refused(name: str, content: bytes | str, tmp_path: Path) -> None:
    write(tmp_path, name, content)
    with pytest.raises(InvalidModelError, match=name):
        extract_signature("PaddlePaddle", write(tmp_path, "m.pdiparams", b""))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    copy(FILES / "iris.pdmodel", tmp_path)
    with pytest.raises(InvalidModelError, match=r"\.pdiparams"):
        extract_signature("PaddlePaddle", tmp_path)
    (tmp_path / "iris.pdmodel").unlink()
    with pytest.raises(InvalidModelError, match=r"\.pdmodel"):
        extract_signature("PaddlePaddle", tmp_path)


NEWER = "newer than this version of Klever"


def of_type(directory: Path, kind: int) -> Signature:
    """The signature of a program with an input and a weight of this type."""
    tensor = field(1, kind) + field(2, 4)
    block = operator("feed", writes=b"x") + operator("fetch", reads=b"x") + variable(b"x", DENSE, tensor)
    kept = field(3, field(1, b"w") + field(2, field(1, DENSE) + field(3, field(1, tensor))) + field(3, 1))
    write(directory, "m.pdmodel", field(1, block + kept))
    return extract_signature("PaddlePaddle", write(directory, "m.pdiparams", b""))


@pytest.mark.parametrize(("kind", "dtype"), [(32, "float8_e4m3fn"), (33, "float8_e5m2"), (20, "uint8")])
def test_weights_of_every_type_are_counted(tmp_path: Path, kind: int, dtype: str) -> None:
    signature = of_type(tmp_path, kind)
    assert signature.parameters is not None
    assert (signature.inputs[0].dtype, signature.parameters.bytes_by_dtype, signature.unknown) == (
        dtype,
        {dtype: 4},
        {},
    )


def test_tensors_of_an_unknown_type_are_shown_as_such(tmp_path: Path) -> None:
    signature = of_type(tmp_path, 99)
    assert signature.parameters is not None
    assert (signature.parameters.count, signature.inputs[0].shape) == (4, (4,))
    assert signature.unknown["x"] == f"its elements are of unknown type 99: {NEWER}"
    assert signature.unknown["parameters"].startswith(f"there are weights of unknown type 99: {NEWER}")


def pir_tensor(kind: str, element: str) -> dict[str, Any]:
    return {"TT": {"#": kind, "D": [{"#": element}, [2, 3]]}}


@pytest.mark.parametrize(
    ("element", "dtype"), [("1.t_f8e4m3fn", "float8_e4m3fn"), ("1.t_f8e5m2", "float8_e5m2"), ("1.t_ui16", "uint16")]
)
def test_weights_of_pir_have_every_type(tmp_path: Path, element: str, dtype: str) -> None:
    write(tmp_path, "m.json", pir({"#": "p", "A": [], "O": pir_tensor("0.t_dtensor", element)}))
    signature = extract_signature("PaddlePaddle", write(tmp_path, "m.pdiparams", b""))
    assert signature.parameters is not None
    assert list(signature.parameters.bytes_by_dtype) == [dtype]
    assert "parameters" not in signature.unknown


def test_tensors_of_pir_of_an_unknown_type_are_shown_as_such(tmp_path: Path) -> None:
    data = {"#": "1.data", "A": [{"N": "name", "AT": {"D": "x"}}], "O": [pir_tensor("0.t_dtensor", "1.t_f3new")]}
    rows = {"#": "1.data", "A": [{"N": "name", "AT": {"D": "r"}}], "O": [pir_tensor("0.t_selected_rows", "1.t_f32")]}
    weight = {"#": "p", "A": [], "O": pir_tensor("0.t_dtensor", "1.t_f3new")}
    write(tmp_path, "m.json", pir(data, rows, weight))
    signature = extract_signature("PaddlePaddle", write(tmp_path, "m.pdiparams", b""))
    assert signature.parameters is not None
    assert signature.parameters.count == 6
    assert signature.unknown["parameters"].startswith(f"there are weights of unknown type f3new: {NEWER}")
    assert signature.unknown["x"] == f"its elements are of unknown type f3new: {NEWER}"
    assert signature.unknown["r"] == "not a dense tensor"


def test_tables_of_rows_are_weights_too(tmp_path: Path) -> None:
    rows = (
        field(1, b"table") + field(2, field(1, SELECTED_ROWS) + field(2, field(1, FLOAT32) + field(2, 5))) + field(3, 1)
    )
    write(tmp_path, "m.pdmodel", field(1, operator("relu") + field(3, rows)))
    signature = extract_signature("PaddlePaddle", write(tmp_path, "m.pdiparams", b""))
    assert signature.parameters is not None
    assert signature.parameters.bytes_by_dtype == {"float32": 20}
