"""Parsing MXNet models."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from kleverproto.signatures import Parameters, Signature
from modelformats import InvalidModelError, extract_signature, validate_layout
from modelformats.ndarray_list import NDArray, named, read_arrays
from support.model_files import DATA, write, write_model

REAL = DATA / "mxnet"
WEIGHTS = (REAL / "module-0001.params").read_bytes()


def real(directory: Path, name: str) -> Signature:
    for path in REAL.glob(f"{name}-*"):
        write(directory, path.name, path.read_bytes())
    return extract_signature("MXNetParams", directory)


def extracted(directory: Path, nodes: list[dict[str, Any]], **more: Any) -> Signature:
    graph = {"nodes": nodes, "heads": [[len(nodes) - 1, 0, 0]]} | more
    return extract_signature("MXNetParams", write_model(directory, "MXNetParams", json.dumps(graph).encode()))


def node(op: str, name: str, *inputs: int, **more: Any) -> dict[str, Any]:
    return {"op": op, "name": name, "inputs": [[place, 0, 0] for place in inputs]} | more


def test_a_network_exported_by_gluon_is_read(tmp_path: Path) -> None:
    signature = real(tmp_path, "small")
    assert [(t.name, t.dtype, t.shape) for t in signature.inputs] == [("data", None, None)]
    assert [t.name for t in signature.outputs] == ["net_dense0_fwd_output"]
    kinds = ("Activation", "BatchNorm", "Convolution", "Flatten", "FullyConnected")
    assert signature.operators == dict.fromkeys(kinds, 1)
    count = 4 * 9 + 4 + 4 * 4 + 3 * 144 + 3
    assert signature.parameters == Parameters(count=count, bytes_by_dtype={"float32": 4 * count})
    assert (signature.framework, signature.framework_version) == ("MXNet", "1.9.1")
    assert set(signature.unknown) == {"inputs", "outputs"}


def test_a_checkpoint_of_a_module_is_read(tmp_path: Path) -> None:
    signature = real(tmp_path, "module")
    assert [(t.name, t.shape) for t in signature.inputs] == [("data", (-1, 4))]
    assert signature.details == {"labels": ["softmax_label"]}
    assert signature.operators == {"FullyConnected": 1, "SoftmaxOutput": 1}


@pytest.mark.parametrize("key", ["attrs", "attr", "param"])
def test_types_and_shapes_of_inputs_are_reported_if_present(tmp_path: Path, key: str) -> None:
    data = node("null", "x", **{key: {"__shape__": "(0, 3, 224, 224)", "__dtype__": "3"}})
    signature = extracted(tmp_path, [data, node("relu", "y", 0)])
    assert [(t.name, t.dtype, t.shape) for t in signature.inputs] == [("x", "uint8", (-1, 3, 224, 224))]
    assert set(signature.unknown) == {"outputs"}
    assert signature.framework_version is None


def test_outputs_have_the_names_of_mxnet(tmp_path: Path) -> None:
    nodes = [node("null", "x"), node("split", "s", 0), node("relu", "r", 1)]
    signature = extracted(tmp_path, nodes, heads=[[1, 0, 0], [1, 1, 0], [2, 0], [0, 0, 0]])
    assert [t.name for t in signature.outputs] == ["s_output0", "s_output1", "r_output", "x"]


def test_operators_of_loops_are_counted(tmp_path: Path) -> None:
    inner = {"nodes": [node("null", "i"), node("relu", "r", 0), node("relu", "q", 1)]}
    signature = extracted(tmp_path, [node("null", "x"), node("_foreach", "loop", 0, subgraphs=[inner])])
    assert signature.operators == {"_foreach": 1, "relu": 2}


def test_sparse_arrays_are_read() -> None:
    assert read_arrays(REAL / "sparse.params") == [
        NDArray("arg:a", "float32", (5, 2)),
        NDArray("arg:b", "float32", (2, 3)),
        NDArray("arg:c", "int8", (2,)),
    ]


def test_numpy_arrays_are_read() -> None:
    arrays = read_arrays(REAL / "np.params")
    assert [(array.shape, name) for array, name in zip(arrays, named(arrays), strict=True)] == [
        ((), "s"),
        ((2, 2), "v"),
    ]


def listed(*arrays: bytes, names: bytes = struct.pack("<Q", 0)) -> bytes:
    return struct.pack("<3Q", 0x112, 0, len(arrays)) + b"".join(arrays) + names


OLDEST = struct.pack("<3I", 2, 2, 3) + struct.pack("<3i", 1, 0, 5) + bytes(6)
FIRST = struct.pack("<2I2q", 0xF993FAC8, 2, 2, 3) + struct.pack("<3i", 1, 0, 2) + bytes(12)
NEVER_MADE = struct.pack("<3I", 0xF993FAC9, 0, 0)


def test_older_layouts_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, "a.params", listed(OLDEST, FIRST, NEVER_MADE)) / "a.params"
    assert [(array.dtype, array.shape) for array in read_arrays(path)] == [
        ("int8", (2, 3)),
        ("float16", (2, 3)),
        ("float32", (0,)),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "ends too early"),
        (bytes(24), "does not begin"),
        (WEIGHTS[:90], "ends within an array"),
        (WEIGHTS[:-4], "ends too early"),
        (struct.pack("<3Q", 0x112, 0, 2**40), "declares 1099511627776 entries"),
        (listed(struct.pack("<I", 33)), "impossible number of dimensions"),
        (
            listed(struct.pack("<2I3q", 0xF993FAC8, 3, *[2**40] * 3) + struct.pack("<3i", 1, 0, 0)),
            "impossible dimensions",
        ),
        (listed(struct.pack("<I3i", 0, 1, 0, 99)), "unknown type 99"),
        (listed(OLDEST, names=struct.pack("<2Q", 2, 0) + struct.pack("<Q", 0)), "1 arrays and 2 names"),
    ],
    ids=["empty", "other", "array", "name", "many", "rank", "large", "type", "names"],
)
def test_damaged_weights_are_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    write_model(tmp_path, "MXNetParams")
    with pytest.raises(InvalidModelError, match=reason):
        extract_signature("MXNetParams", write(tmp_path, "model-0001.params", content))


def test_large_weights_are_not_read(tmp_path: Path) -> None:
    write_model(tmp_path, "MXNetParams")
    array = struct.pack("<2Iq", 0xF993FAC8, 1, 2**31) + struct.pack("<3i", 1, 0, 0)
    path = write(tmp_path, "model-0001.params", listed(array, names=b"")) / "model-0001.params"
    with path.open("ab") as file:
        file.truncate(file.tell() + 2**33 + 8)
    parameters = extract_signature("MXNetParams", tmp_path).parameters
    assert parameters == Parameters(count=2**31, bytes_by_dtype={"float32": 2**33})


@pytest.mark.parametrize("graph", [b"[]", b"{}", b'{"nodes": [1], "heads": [[0]]}', b"{"], ids=repr)
def test_an_invalid_symbol_is_refused(tmp_path: Path, graph: bytes) -> None:
    with pytest.raises(InvalidModelError, match=r"model-symbol\.json"):
        extract_signature("MXNetParams", write_model(tmp_path, "MXNetParams", graph))


@pytest.mark.parametrize(("present", "missing"), [("a-symbol.json", r"\*\.params"), ("a.params", r"\*symbol\.json")])
def test_the_missing_file_is_named(tmp_path: Path, present: str, missing: str) -> None:
    with pytest.raises(InvalidModelError, match=f"there is no {missing}"):
        validate_layout("MXNetParams", write(tmp_path, present, b"x"))


def test_an_input_of_an_unknown_type_has_a_reason(tmp_path: Path) -> None:
    data = [node("null", "x", attrs={"__dtype__": "99"}), node("null", "y", attrs={"__dtype__": "-1"})]
    signature = extracted(tmp_path, [*data, node("add", "z", 0, 1)])
    assert signature.unknown["x"] == "its elements are of unknown type 99: newer than this version of Klever"
    assert "y" not in signature.unknown
