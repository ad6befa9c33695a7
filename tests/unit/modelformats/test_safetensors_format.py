"""What is read from safetensors files."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from kleverproto.signatures import Signature
from modelformats import InvalidModelError, detect_format, extract_signature
from support.model_files import write

REAL = Path(__file__).parents[2] / "data" / "models" / "safetensors"
ONE: dict[str, Any] = {"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}


def extracted(directory: Path) -> Signature:
    return extract_signature("SafeTensors", directory)


def packed(header: Any, data: bytes = bytes(24)) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def test_weights_of_a_real_file_are_counted_by_type() -> None:
    found = extracted(REAL)
    assert found.parameters is not None
    assert found.parameters.count == 4 * 3 + 3
    assert found.parameters.bytes_by_dtype == {"bfloat16": 6, "float32": 48}
    assert found.framework == "PyTorch"
    assert found.details["tensors"] == {"BF16": 1, "F32": 1}
    assert set(found.unknown) == {"inputs", "outputs", "operators"}


def test_architecture_and_library_come_from_the_config_beside_them(tmp_path: Path) -> None:
    config = {"architectures": ["BertModel"], "model_type": "bert", "transformers_version": "4.50.0"}
    write(tmp_path, "model.safetensors", packed(ONE))
    write(tmp_path, "config.json", json.dumps(config))
    found = extracted(tmp_path)
    assert (found.framework, found.framework_version) == ("transformers", "4.50.0")
    assert (found.details["architectures"], found.details["model_type"]) == (["BertModel"], "bert")


def test_the_files_of_a_sharded_model_are_added_up(tmp_path: Path) -> None:
    for number in (1, 2):
        write(tmp_path, f"model-0000{number}-of-00002.safetensors", packed(ONE))
    found = extracted(tmp_path)
    assert found.parameters is not None
    assert (found.parameters.count, found.details["files"]) == (12, 2)


def test_it_is_told_from_its_content(tmp_path: Path) -> None:
    assert detect_format(write(tmp_path, "weights", packed(ONE))) == "SafeTensors"


def test_a_config_that_cannot_be_read_is_as_none(tmp_path: Path) -> None:
    write(tmp_path, "model.safetensors", packed(ONE))
    write(tmp_path, "config.json", "{")
    assert extracted(tmp_path).details["architectures"] == []


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
        pytest.param(struct.pack("<Q", 50_000) + b'{"a":' * 10_000, id="deep"),
    ],
)
def test_what_is_damaged_is_an_error_of_the_model(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, "model.safetensors", content)
    with pytest.raises(InvalidModelError):
        extracted(tmp_path)
