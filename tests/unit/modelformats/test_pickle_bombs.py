"""No pickle makes its reader use much memory or time."""

import gzip
import io
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from modelfiles.inert_pickle import read_pickle
from modelformats import InvalidModelError, extract_signature
from support.memory import parse_apart
from support.model_files import sklearn_joblib, write

MEGABYTE = 1024 * 1024
EXABYTE = struct.pack("<Q", 1 << 60)


@pytest.mark.parametrize("opcode", [b"\x8e", b"\x8d", b"\x96", b"\x95"], ids=["bytes", "text", "bytearray", "frame"])
@pytest.mark.parametrize("size", [EXABYTE, struct.pack("<Q", 3 << 30), b"\xff" * 8], ids=["exabyte", "3-GB", "most"])
def test_a_length_past_the_end_takes_no_memory(tmp_path: Path, opcode: bytes, size: bytes) -> None:
    write(tmp_path, "model.pkl", b"\x80\x05" + opcode + size + b"abc")
    with pytest.raises(InvalidModelError, match=r"early|decompresses to more|maximum size|sys.maxsize"):
        extract_signature("SKLearn", tmp_path)


def test_a_claimed_bytearray_is_not_allocated(tmp_path: Path) -> None:
    write(tmp_path, "model.pkl", b"\x80\x05\x96" + struct.pack("<Q", 2 << 30) + b"abc")
    outcome = parse_apart("SKLearn", tmp_path)
    assert outcome.outcome == "InvalidModelError"
    assert outcome.grown_mb < 20


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "ends 1 bytes early", id="empty"),
        pytest.param(b"\x80\x04", "ends 1 bytes early", id="nothing-after-the-start"),
        pytest.param(b"\x80\x04\x8b" + struct.pack("<i", 2**31 - 1), "early", id="a-number-of-two-gigabytes"),
        pytest.param(b"\x80\x04\x8b" + struct.pack("<i", -1), "negative", id="a-number-of-negative-size"),
        pytest.param(b"\x80\x04\x82\x01.", "extension codes", id="extension-code"),
        pytest.param(b"\x80\xff.", "protocol", id="unknown-protocol"),
        pytest.param(b"\x80\x04h\x07.", "", id="unknown-memo"),
        pytest.param(b"\x80\x04.", "", id="empty-stack"),
        pytest.param(b"\x80\x04\x8c\x01a\x8c\x04b\xed\xa0\x80\x93.", "cannot be a class", id="half-a-character"),
        pytest.param(b"I" + b"9" * 10_000 + b"\n.", "4300 digits", id="a-long-number"),
        pytest.param(b"S'" + b"x" * (2 * MEGABYTE) + b"'\n.", "", id="a-line-of-megabytes"),
    ],
)
def test_a_damaged_pickle_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(InvalidModelError, match=r"model\.pkl is not a readable joblib or pickle file") as failure:
        extract_signature("SKLearn", write(tmp_path, "model.pkl", content))
    assert reason in str(failure.value)


LAUGHS = b"\x80\x04]\x94" + b"".join(b"](h%c" % i + b"h%c" % i * 9 + b"e\x94" for i in range(60)) + b"."
NAMES = b"\x80\x02" + b"".join(b"ca\nn%d\n0" % i for i in range(20_000)) + b"N."


@pytest.mark.parametrize(
    ("content", "outcome"),
    [
        pytest.param(LAUGHS, "parsed", id="each-list-holds-ten-times-the-one-before"),
        pytest.param(b"\x80\x04" + b"(" * 100_000 + b"." * 10, "InvalidModelError", id="marks-without-end"),
        pytest.param(b"\x80\x04" + b"]" * 50_000 + b"a" * 49_999 + b".", "parsed", id="lists-in-lists"),
        pytest.param(b"\x80\x04N" + b"\x85" * 50_000 + b".", "parsed", id="tuples-in-tuples"),
        pytest.param(b"\x80\x04(" + b"]\x94" * 50_000 + b"t.", "parsed", id="a-memo-without-end"),
        pytest.param(b"\x80\x02Nr\xff\xff\xff\xff.", "parsed", id="a-memo-with-a-far-place"),
        pytest.param(b"\x80\x02" + b"ca\nb\n" * 50_000 + b".", "parsed", id="one-class-many-times"),
        pytest.param(NAMES, "InvalidModelError", id="very-many-classes"),
        pytest.param(b"\x80\x04" + (b"\x95" + bytes(8)) * 50_000 + b"N.", "parsed", id="empty-frames"),
    ],
)
def test_a_pickle_made_to_use_much_memory_ends_quickly(tmp_path: Path, content: bytes, outcome: str) -> None:
    parsed_signature = parse_apart("SKLearn", write(tmp_path, "model.pkl", content))
    assert parsed_signature.outcome == outcome
    assert parsed_signature.grown_mb < 50


def test_endlessly_nested_labels_are_refused(tmp_path: Path) -> None:
    value: object = "ha"
    for _ in range(60):
        value = (value, value)
    model, labels = LogisticRegression(), np.empty(1, object)
    labels[0] = value
    model.classes_ = labels
    with pytest.raises(InvalidModelError, match="a label is neither a number nor text"):
        extract_signature("SKLearn", write(tmp_path, "model.pkl", pickle.dumps(model)))


@pytest.mark.parametrize(
    ("shape", "reason"),
    [(b"J\xff\xff\xff\xff\x85", "negative"), (b"J\xff\xff\xff\x7f\x85", "an array declares more than")],
    ids=["negative", "huge"],
)
def test_an_array_of_joblib_with_an_impossible_size_is_refused(tmp_path: Path, shape: bytes, reason: str) -> None:
    file = sklearn_joblib(tmp_path) / "model.joblib"
    content = file.read_bytes()
    assert b"K\x03\x85" in content
    file.write_bytes(content.replace(b"K\x03\x85", shape))
    with pytest.raises(InvalidModelError, match=reason):
        extract_signature("SKLearn", tmp_path)


def test_a_compressed_bomb_stops_at_the_limit(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as file:
        file.write(b"\x80\x04\x8e" + struct.pack("<Q", 16 * MEGABYTE) + bytes(16 * MEGABYTE) + b".")
    write(tmp_path, "model.joblib", packed.getvalue())
    with pytest.raises(ValueError, match="decompresses to more than 1048576 bytes"):
        read_pickle(tmp_path / "model.joblib", limit=MEGABYTE)
    assert len(read_pickle(tmp_path / "model.joblib")) == 16 * MEGABYTE
