"""What is read from PaddlePaddle's inference models."""

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
FLOAT32, FEED_LIST, DENSE = 5, 9, 7


def of_files(directory: Path, *names: str) -> Signature:
    for name in names:
        copy(FILES / name, directory)
    assert detect_format(directory) == "PaddlePaddle"
    return extract_signature("PaddlePaddle", directory)


def operator(kind: str, *, reads: bytes = b"", writes: bytes = b"", column: int = 0) -> bytes:
    """An OpDesc, in its field of the block."""
    slots = b"".join(field(number, field(2, name)) for number, name in ((1, reads), (2, writes)) if name)
    return field(4, slots + field(3, kind.encode()) + field(4, field(1, b"col") + field(3, column)))


def variable(name: bytes, kind: int, tensor: bytes = b"") -> bytes:
    """A VarDesc, in its field of the block."""
    return field(3, field(1, name) + field(2, field(1, kind) + field(3, field(1, tensor))))


def pir(*operators: dict[str, Any]) -> str:
    program = {"regions": [{"#": "region_0", "blocks": [{"#": "block_0", "args": [], "ops": list(operators)}]}]}
    return json.dumps({"base_code": {"magic": "pir", "version": 1}, "program": program})


def test_a_program_tells_what_is_fed_and_fetched(tmp_path: Path) -> None:
    found = of_files(tmp_path, "iris.pdmodel", "iris.pdiparams")
    assert [(tensor.name, tensor.dtype, tensor.shape) for tensor in found.inputs] == [("x", "float32", (-1, 4))]
    assert [(tensor.dtype, tensor.shape) for tensor in found.outputs] == [("float32", (-1, 3))]
    assert found.operators == {"matmul_v2": 1, "elementwise_add": 1, "softmax": 1}
    assert found.parameters is not None
    assert found.parameters.bytes_by_dtype == {"float32": (4 * 3 + 3) * 4}
    assert found.framework_version == "3.3.1"
    assert found.unknown == {}


def test_a_program_of_pir_tells_the_same(tmp_path: Path) -> None:
    found = of_files(tmp_path, "pir.json", "iris.pdiparams")
    assert [(tensor.name, tensor.dtype, tensor.shape) for tensor in found.inputs] == [("x", "float32", (-1, 4))]
    assert [(tensor.dtype, tensor.shape) for tensor in found.outputs] == [("float32", (-1, 3))]
    assert found.operators == {"matmul": 1, "add": 1, "softmax": 1}
    assert found.parameters is not None
    assert found.parameters.count == 4 * 3 + 3


def test_inputs_are_in_the_order_of_their_columns(tmp_path: Path) -> None:
    tensor = field(1, FLOAT32) + field(2, 4)
    block = operator("feed", writes=b"b", column=1) + operator("feed", writes=b"a") + operator("fetch", reads=b"list")
    block += variable(b"a", DENSE, tensor) + variable(b"b", DENSE, tensor) + variable(b"list", FEED_LIST)
    inner = operator("relu")
    write(tmp_path, "m.pdmodel", field(1, block) + field(1, inner))
    found = extract_signature("PaddlePaddle", write(tmp_path, "m.pdiparams", b""))
    assert [(tensor.name, tensor.dtype, tensor.shape) for tensor in found.inputs] == [
        ("a", "float32", (4,)),
        ("b", "float32", (4,)),
    ]
    assert found.operators == {"relu": 1}
    assert list(found.unknown) == ["list"]
    assert found.framework_version is None


def test_operators_of_branches_are_told_too(tmp_path: Path) -> None:
    inner = {"#": "1.relu", "A": [], "O": []}
    write(tmp_path, "m.json", pir({"#": "1.if", "A": [], "O": [], "regions": [{"blocks": [{"ops": [inner]}]}]}))
    found = extract_signature("PaddlePaddle", write(tmp_path, "m.pdiparams", b""))
    assert found.operators == {"if": 1, "relu": 1}
    assert {"inputs", "outputs"} < set(found.unknown)


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
