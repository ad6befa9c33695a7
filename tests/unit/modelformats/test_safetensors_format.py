"""Parsing safetensors files."""

import json
import struct
from math import prod
from pathlib import Path
from typing import Any

import pytest

from kleverproto.signatures import Signature
from modelformats import InvalidModelError, detect_format, extract_signature, validate_layout
from support.model_files import write

REAL = Path(__file__).parents[2] / "data" / "models" / "safetensors"
ONE: dict[str, Any] = {"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}


def extracted(directory: Path) -> Signature:
    return extract_signature("SafeTensors", directory)


def packed(header: Any, data: bytes = bytes(24)) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def test_weights_of_a_real_file_are_counted_by_type() -> None:
    signature = extracted(REAL)
    assert signature.parameters is not None
    assert signature.parameters.count == 4 * 3 + 3
    assert signature.parameters.bytes_by_dtype == {"bfloat16": 6, "float32": 48}
    assert signature.framework == "PyTorch"
    assert signature.details["tensors"] == {"BF16": 1, "F32": 1}
    assert set(signature.unknown) == {"inputs", "outputs", "operators"}


def test_architecture_and_library_come_from_the_config_beside_them(tmp_path: Path) -> None:
    config = {"architectures": ["BertModel"], "model_type": "bert", "transformers_version": "4.50.0"}
    write(tmp_path, "model.safetensors", packed(ONE))
    write(tmp_path, "config.json", json.dumps(config))
    signature = extracted(tmp_path)
    assert (signature.framework, signature.framework_version) == ("transformers", "4.50.0")
    assert (signature.details["architectures"], signature.details["model_type"]) == (["BertModel"], "bert")


def test_the_files_of_a_sharded_model_are_added_up(tmp_path: Path) -> None:
    for number in (1, 2):
        write(tmp_path, f"model-0000{number}-of-00002.safetensors", packed(ONE))
    signature = extracted(tmp_path)
    assert signature.parameters is not None
    assert (signature.parameters.count, signature.details["files"]) == (12, 2)


def test_a_model_is_recognised_by_its_content(tmp_path: Path) -> None:
    assert detect_format(write(tmp_path, "weights", packed(ONE))) == "SafeTensors"


def test_an_unreadable_config_counts_as_none(tmp_path: Path) -> None:
    write(tmp_path, "model.safetensors", packed(ONE))
    write(tmp_path, "config.json", "{")
    assert extracted(tmp_path).details["architectures"] == []


@pytest.mark.parametrize(
    ("written", "shape", "size", "name"),
    [
        ("F4", [2, 8], 8, "float4_e2m1fn"),
        ("F6_E2M3", [4], 3, "float6_e2m3fn"),
        ("F6_E3M2", [4], 3, "float6_e3m2fn"),
        ("F8_E8M0", [4], 4, "float8_e8m0fnu"),
        ("F8_E4M3FNUZ", [4], 4, "float8_e4m3fnuz"),
        ("F8_E5M2FNUZ", [4], 4, "float8_e5m2fnuz"),
        ("I64", [], 8, "int64"),
        ("F32", [0, 4], 0, "float32"),
        ("X3_NEW", [5], 11, "unknown type X3_NEW"),
    ],
)
def test_every_type_is_counted_with_its_bytes(
    tmp_path: Path, written: str, shape: list[int], size: int, name: str
) -> None:
    header = {"w": {"dtype": written, "shape": shape, "data_offsets": [0, size]}}
    signature = extracted(write(tmp_path, "model.safetensors", packed(header, bytes(size))))
    assert signature.parameters is not None
    assert (signature.parameters.count, signature.parameters.bytes_by_dtype) == (prod(shape), {name: size})
    assert ("parameters" in signature.unknown) is name.startswith("unknown")


def test_an_incomplete_download_is_refused_with_both_lengths(tmp_path: Path) -> None:
    whole = packed(ONE)
    write(tmp_path, "model.safetensors", whole[:-10])
    with pytest.raises(InvalidModelError, match=rf"end at byte {len(whole)}, but it has only {len(whole) - 10}"):
        extracted(tmp_path)


def sharded(directory: Path, first: str, second: str) -> Path:
    """A model whose index names two files, of which the first exists."""
    write(directory, "model.safetensors.index.json", json.dumps({"weight_map": {"w": first, "b": second}}))
    return write(directory, first, packed(ONE))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param(
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            r"'model-00002-of-00002\.safetensors' is missing \(1 of 2 files are\)",
            id="numbered",
        ),
        pytest.param(
            "a.safetensors", "b.safetensors", r"'b' in 'b\.safetensors', which is missing", id="otherwise named"
        ),
        pytest.param("a.safetensors", "../b.safetensors", "outside the model's directory", id="outside"),
    ],
)
def test_a_missing_shard_is_named(tmp_path: Path, first: str, second: str, expected: str) -> None:
    directory = sharded(tmp_path, first, second)
    with pytest.raises(InvalidModelError, match=expected):
        extracted(directory)
    with pytest.raises(InvalidModelError, match=expected):
        validate_layout("SafeTensors", directory)


def test_complete_shards_are_read(tmp_path: Path) -> None:
    sharded(tmp_path, "a.safetensors", "b.safetensors")
    write(tmp_path, "b.safetensors", packed(ONE))
    assert extracted(tmp_path).details["files"] == 2


def test_a_missing_shard_is_detected_without_an_index(tmp_path: Path) -> None:
    write(tmp_path, "model-00001-of-00002.safetensors", packed(ONE))
    with pytest.raises(InvalidModelError, match=r"model-00002-of-00002\.safetensors"):
        extracted(tmp_path)


def test_an_adapter_names_its_kind_and_base_model(tmp_path: Path) -> None:
    write(tmp_path, "adapter_model.safetensors", packed(ONE))
    write(tmp_path, "adapter_config.json", json.dumps({"peft_type": "LORA", "base_model_name_or_path": "org/base"}))
    signature = extracted(tmp_path)
    assert (signature.framework, signature.details["adapter"], signature.details["base_model"]) == (
        "PEFT",
        "LORA",
        "org/base",
    )
    assert "LORA adapter, which run only on top of their base model org/base" in signature.warnings[0]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(packed(ONE)[:20], id="cut off in the header"),
        pytest.param(packed(ONE, bytes(8)), id="cut off in the tensors"),
        pytest.param(struct.pack("<Q", 2**63) + b"{}", id="a huge length"),
        pytest.param(packed([]), id="no object"),
        pytest.param(packed({"w": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 1]}}), id="huge"),
        pytest.param(packed({"w": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 1]}}), id="negative"),
        pytest.param(packed({"w": {"dtype": "F32", "data_offsets": [0, 1]}}), id="no shape"),
        pytest.param(packed({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 24]}}), id="another size"),
        pytest.param(packed({"w": {"dtype": "X", "shape": [2], "data_offsets": [24, 0]}}), id="backwards"),
        pytest.param(struct.pack("<Q", 50_000) + b'{"a":' * 10_000, id="deep"),
    ],
)
def test_damaged_content_is_an_error_of_the_model(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, "model.safetensors", content)
    with pytest.raises(InvalidModelError):
        extracted(tmp_path)
