"""Parsing GGUF files."""

import struct
from pathlib import Path

import pytest

from kleverproto.signatures import Signature
from modelformats import InvalidModelError, detect_format, extract_signature, validate_layout
from support.model_files import write

REAL = Path(__file__).parents[2] / "data" / "models" / "gguf"
CONTENT = (REAL / "tiny.gguf").read_bytes()


def extracted(directory: Path) -> Signature:
    return extract_signature("GGUF", directory)


def file(tensors: list[tuple[int, int, int]], order: str = "<") -> bytes:
    """A complete file; of each tensor elements, type and bytes, which are a multiple of 32 except for the last."""
    headers, at = b"", 0
    for elements, kind, size in tensors:
        headers += struct.pack(f"{order}Q1sIQIQ", 1, b"w", 1, elements, kind, at)
        at += size
    begun = b"GGUF" + struct.pack(f"{order}IQQ", 3, len(tensors), 0) + headers
    return begun + bytes(-len(begun) % 32) + bytes(at)


def header(keys: int, tensors: int, rest: bytes = b"") -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, keys) + rest


def test_tensors_are_counted_by_type_and_the_architecture_is_reported() -> None:
    signature = extracted(REAL)
    assert signature.parameters is not None
    assert (signature.parameters.count, signature.parameters.bytes_by_dtype) == (80, {"float16": 128, "float32": 64})
    assert signature.details["architecture"] == "llama"
    assert signature.details["settings"]["llama.context_length"] == 32
    assert set(signature.unknown) == {"inputs", "outputs", "operators", "framework_version"}


def test_a_model_is_recognised_by_its_content(tmp_path: Path) -> None:
    assert detect_format(write(tmp_path, "weights", CONTENT)) == "GGUF"


def test_the_files_of_a_split_model_are_added_up(tmp_path: Path) -> None:
    for number in (1, 2):
        write(tmp_path, f"m-0000{number}-of-00002.gguf", CONTENT)
    signature = extracted(tmp_path)
    assert signature.parameters is not None
    assert signature.parameters.count == 160


@pytest.mark.parametrize(("kind", "name", "size"), [(2, "q4_0", 36), (20, "iq4_nl", 36), (39, "mxfp4", 34)])
def test_quantised_blocks_have_their_size(tmp_path: Path, kind: int, name: str, size: int) -> None:
    write(tmp_path, "m.gguf", file([(64, kind, size)]))
    signature = extracted(tmp_path)
    assert signature.parameters is not None
    assert (signature.parameters.count, signature.parameters.bytes_by_dtype) == (64, {name: size})


def test_a_big_endian_file_is_read_in_its_own_byte_order(tmp_path: Path) -> None:
    one, other = (write(tmp_path / order, "m.gguf", file([(64, 0, 256), (32, 1, 64)], order)) for order in "<>")
    little, big = extracted(one), extracted(other)
    assert big.parameters == little.parameters
    assert big.details == {**little.details, "byte_order": "big-endian"}
    assert little.details["byte_order"] == "little-endian"
    assert little.warnings == ()
    assert "written for big-endian machines" in big.warnings[0]


def test_an_unknown_version_is_named_in_the_right_byte_order(tmp_path: Path) -> None:
    write(tmp_path, "m.gguf", b"GGUF" + struct.pack(">IQQ", 4, 0, 0))
    with pytest.raises(InvalidModelError, match="GGUF of version 4: convert it to version 3"):
        extracted(tmp_path)


def test_tensors_of_an_unknown_type_are_counted_with_the_bytes_up_to_the_next(tmp_path: Path) -> None:
    write(tmp_path, "m.gguf", file([(64, 0, 256), (64, 99, 96), (32, 1, 64), (7, 98, 32)]))
    signature = extracted(tmp_path)
    assert signature.parameters is not None
    assert signature.parameters.count == 64 + 64 + 32 + 7
    sizes = {"float32": 256, "unknown type 99": 96, "float16": 64, "unknown type 98": 32}
    assert signature.parameters.bytes_by_dtype == sizes
    assert signature.details["tensors"] == dict.fromkeys(sizes, 1)
    assert "unknown type 98, unknown type 99" in signature.unknown["parameters"]


def test_an_incomplete_download_is_refused_with_both_lengths(tmp_path: Path) -> None:
    content = file([(64, 0, 256)])
    write(tmp_path, "m.gguf", content[:-100])
    with pytest.raises(InvalidModelError, match=rf"reach to byte {len(content)}, but it has only {len(content) - 100}"):
        extracted(tmp_path)


def test_a_missing_file_of_a_split_model_is_named(tmp_path: Path) -> None:
    write(tmp_path, "m-00002-of-00003.gguf", CONTENT)
    expected = r"'m-00001-of-00003\.gguf' is missing \(2 of 3 files are\)"
    with pytest.raises(InvalidModelError, match=expected):
        extracted(tmp_path)
    with pytest.raises(InvalidModelError, match=expected):
        validate_layout("GGUF", tmp_path)


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
def test_damaged_content_is_an_error_of_the_model(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, "m.gguf", content)
    with pytest.raises(InvalidModelError):
        extracted(tmp_path)
