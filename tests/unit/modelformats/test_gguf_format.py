"""What is read from GGUF files."""

import struct
from pathlib import Path

import pytest

from kleverproto.signatures import Signature
from modelformats import InvalidModelError, detect_format, extract_signature
from support.model_files import write

REAL = Path(__file__).parents[2] / "data" / "models" / "gguf"
CONTENT = (REAL / "tiny.gguf").read_bytes()


def extracted(directory: Path) -> Signature:
    return extract_signature("GGUF", directory)


def header(keys: int, tensors: int, rest: bytes = b"") -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, keys) + rest


def test_tensors_are_counted_by_type_and_the_architecture_is_told() -> None:
    found = extracted(REAL)
    assert found.parameters is not None
    assert (found.parameters.count, found.parameters.bytes_by_dtype) == (80, {"float16": 128, "float32": 64})
    assert found.details["architecture"] == "llama"
    assert found.details["settings"]["llama.context_length"] == 32
    assert set(found.unknown) == {"inputs", "outputs", "operators", "framework_version"}


def test_it_is_told_from_its_content(tmp_path: Path) -> None:
    assert detect_format(write(tmp_path, "weights", CONTENT)) == "GGUF"


def test_the_files_of_a_split_model_are_added_up(tmp_path: Path) -> None:
    for number in (1, 2):
        write(tmp_path, f"m-0000{number}-of-00002.gguf", CONTENT)
    found = extracted(tmp_path)
    assert found.parameters is not None
    assert found.parameters.count == 160


def test_quantised_blocks_have_their_size(tmp_path: Path) -> None:
    name = struct.pack("<Q", 1) + b"w"
    write(tmp_path, "m.gguf", header(0, 1, name + struct.pack("<IQIQ", 1, 64, 2, 0)))
    found = extracted(tmp_path)
    assert found.parameters is not None
    assert (found.parameters.count, found.parameters.bytes_by_dtype) == (64, {"q4_0": 36})


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(CONTENT[:100], id="cut off"),
        pytest.param(header(2**60, 0), id="too many keys"),
        pytest.param(header(0, 2**60), id="too many tensors"),
        pytest.param(header(1, 0, struct.pack("<Q", 2**60)), id="a huge text"),
        pytest.param(header(1, 0, struct.pack("<QIIQ", 0, 9, 4, 2**60)), id="a huge array"),
        pytest.param(header(1, 0, struct.pack("<QI", 0, 9) + struct.pack("<IQ", 9, 1) * 50), id="deep arrays"),
        pytest.param(b"GGUF" + struct.pack("<IQQ", 1, 0, 0), id="version 1"),
        pytest.param(header(0, 1, struct.pack("<QIQQIQ", 0, 2, 2**40, 2**40, 0, 0)), id="an impossible shape"),
    ],
)
def test_what_is_damaged_is_an_error_of_the_model(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, "m.gguf", content)
    with pytest.raises(InvalidModelError):
        extracted(tmp_path)
