"""Reading only the declared fields of protobuf files."""

import struct
from pathlib import Path

import pytest

from modelfiles.protobuf.skimming import FIELDS_LIMIT, Schema
from support.memory import parse_apart
from support.model_files import write

MESSAGES = {"Net": (("name", 1, "string"), ("arrays", 2, "*Array")), "Array": (("size", 1, "int64"),)}
SCHEMA = Schema("klever.test", MESSAGES, "Net", at_once=0)


def read(directory: Path, content: bytes) -> tuple[str, list[int]]:
    message = SCHEMA.read(write(directory, "net", content) / "net")
    return message.name, [array.size for array in message.arrays]


FLOATS = b"".join(b"\x35" + struct.pack("<f", number) for number in range(50_000))
"""Field 6, as proto2 writes an array."""


@pytest.mark.parametrize(
    "undeclared",
    [
        pytest.param(b"\x28\xff\x01", id="varint"),
        pytest.param(b"\x29" + bytes(8), id="64-bit"),
        pytest.param(b"\x2a\x03abc", id="bytes"),
        pytest.param(FLOATS, id="floats"),
        pytest.param(FLOATS[:5], id="one-float"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_undeclared_fields_are_skipped(tmp_path: Path, undeclared: bytes) -> None:
    array = undeclared + b"\x08\x07" + undeclared
    length = bytes([len(array) & 127 | 128, len(array) >> 7 & 127 | 128, len(array) >> 14])
    content = undeclared + b"\x0a\x01n" + b"\x12" + length + array + undeclared
    assert read(tmp_path, content) == ("n", [7])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x12\x05\x08\x01", "a length passes the end"),
        (b"\x12\x01\x08\x01", "a field passes the end of its message"),
        (b"\x29\x00", "a field passes the end of its message"),
        (b"\x08" + b"\xff" * 11, "a number is incomplete"),
        (b"\x08", "ends in the middle|no end"),
        (b"\x2b", "wire type 3"),
        (b"\x2a\x00" * (FIELDS_LIMIT + 1), "more than 1500000 fields"),
    ],
    ids=["length", "nested", "cut-off", "long-number", "no-number", "group", "many-fields"],
)
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read(tmp_path, content)


@pytest.mark.parametrize("number", [b"\x01", b"\xff" * 9 + b"\x01"], ids=["short", "long"])
def test_a_run_of_numbers_counts_as_one_field(tmp_path: Path, number: bytes) -> None:
    assert read(tmp_path, (b"\x28" + number) * (FIELDS_LIMIT + 1) + b"\x0a\x01n") == ("n", [])


def test_a_run_of_numbers_ends_with_its_message(tmp_path: Path) -> None:
    assert read(tmp_path, b"\x12\x04\x28\x01\x28\x02" + b"\x28\x03" + b"\x12\x02\x08\x09") == ("", [0, 9])


def test_measured_fields_keep_only_a_number(tmp_path: Path) -> None:
    schema = Schema("klever.measured", {"Net": (("sizes", 6, "*size"), ("counts", 7, "*varints"))}, "Net")
    content = FLOATS + b"\x32\x03abc" + b"\x38\x80\x01\x38\x05" + b"\x3a\x03\x80\x01\x02" + b"\x31" + bytes(8)
    message = schema.read(write(tmp_path, "net", content) / "net")
    assert (list(message.sizes), list(message.counts)) == ([200_000, 3, 8], [2, 2])


def test_a_large_file_is_read_in_little_memory(tmp_path: Path) -> None:
    start = b"\x0a\x10\x0a\x01x\x12\x0bPlaceholder" + b"\x0a\x09\x0a\x01y\x12\x01R\x1a\x01x"
    with (write(tmp_path, "model.graphdef", start + b"\x7a\x80\x80\x80\x80\x20") / "model.graphdef").open("ab") as file:
        file.truncate(file.tell() + 8 * 1024**3)
    outcome = parse_apart("GraphDef", tmp_path, room_mb=60)
    assert (outcome.outcome, outcome.grown_mb < 10) == ("parsed", True)
