"""Files that were made to do harm end in a clear error, and nothing of them runs."""

import gzip
import io
import os
import pickle
import struct
from pathlib import Path

import pytest

from modelformats import InvalidModelError, extract_signature
from modelformats.inert_pickle import read_pickle
from support import model_files
from support.model_files import write


def refused(name: str, directory: Path) -> str:
    """Why a model is not taken."""
    with pytest.raises(InvalidModelError) as failure:
        extract_signature(name, directory)
    return str(failure.value)


@pytest.mark.parametrize("name", sorted(model_files.of_each_format()))
def test_an_empty_file_is_no_model(tmp_path: Path, name: str) -> None:
    file, _ = model_files.of_each_format()[name]
    assert file in refused(name, write(tmp_path, file, b""))


@pytest.mark.parametrize("name", sorted(model_files.of_each_format()))
def test_a_file_that_is_cut_off_is_no_model(tmp_path: Path, name: str) -> None:
    file, content = model_files.of_each_format()[name]
    assert refused(name, write(tmp_path, file, content[: len(content) // 2]))


@pytest.mark.parametrize("name", sorted(model_files.of_each_format()))
def test_bytes_of_another_format_are_no_model(tmp_path: Path, name: str) -> None:
    file, _ = model_files.of_each_format()[name]
    assert file in refused(name, write(tmp_path, file, b"\x89PNG\r\n\x1a\n" + bytes(100)))


class Runs:
    """Unpickled, it runs a command."""

    def __init__(self, *made_of: object) -> None:
        self.made_of = made_of

    def __reduce__(self) -> tuple[object, ...]:
        return (self.made_of[0], self.made_of[1:])


def test_nothing_of_a_pickle_runs(tmp_path: Path) -> None:
    mark = tmp_path / "it-ran"
    attacks = [Runs(os.system, f"touch {mark}"), Runs(eval, f"open({str(mark)!r}, 'w')"), Runs(os.mkdir, str(mark))]
    for attack in (*attacks, [attacks], {"a": attacks}):
        write(tmp_path / "model", "model.pkl", pickle.dumps(attack))
        extract_signature("SKLearn", tmp_path / "model")
    assert not mark.exists()


def test_a_global_is_only_remembered(tmp_path: Path) -> None:
    write(tmp_path, "model.pkl", pickle.dumps(os.system))
    found = read_pickle(tmp_path / "model.pkl")
    assert found.made_by in {"posix.system", "os.system", "nt.system"}
    assert found is not os.system


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60), id="bytes-of-an-exabyte"),
        pytest.param(b"\x80\x04\x8b" + struct.pack("<i", 2**31 - 1), id="a-number-of-two-gigabytes"),
        pytest.param(b"\x80\x04" + b"(" * 100_000 + b"." * 10, id="marks-without-end"),
        pytest.param(b"\x80\x04" + b"]" * 50_000 + b"a" * 49_999 + b".", id="lists-in-lists"),
        pytest.param(b"\x80\x04\x82\x01.", id="extension-code"),
        pytest.param(b"\x80\xff.", id="unknown-protocol"),
    ],
)
def test_a_pickle_made_to_eat_memory_ends_quickly(tmp_path: Path, content: bytes) -> None:
    directory = write(tmp_path, "model.pkl", content)
    try:
        found = extract_signature("SKLearn", directory)
    except InvalidModelError:
        return
    assert "operators" in found.unknown


def test_a_compressed_bomb_stops_at_the_limit(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as file:
        file.write(b"\x80\x04\x8e" + struct.pack("<Q", 64 * 1024 * 1024) + bytes(64 * 1024 * 1024) + b".")
    write(tmp_path, "model.joblib", packed.getvalue())
    with pytest.raises(ValueError, match="unpacks to more than 1048576 bytes"):
        read_pickle(tmp_path / "model.joblib", limit=1024 * 1024)


BILLION_LAUGHS = """<?xml version="1.0"?>
<!DOCTYPE PMML [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>
<PMML version="4.4"><Header description="&c;"/></PMML>"""
OTHER_FILE = """<?xml version="1.0"?>
<!DOCTYPE PMML [<!ENTITY secret SYSTEM "file:///etc/hostname">]>
<PMML version="4.4"><Header description="x">&secret;</Header></PMML>"""


@pytest.mark.parametrize("text", [BILLION_LAUGHS, OTHER_FILE], ids=["entity-bomb", "external-entity"])
def test_a_document_with_entities_of_its_own_is_refused(tmp_path: Path, text: str) -> None:
    assert "declares a DTD" in refused("PMML", write(tmp_path, "model.pmml", text))


def test_xml_that_is_deeper_than_any_model_is_refused(tmp_path: Path) -> None:
    text = "<PMML version='4.4'>" + "<A>" * 100_000 + "</A>" * 100_000 + "</PMML>"
    assert refused("PMML", write(tmp_path, "model.pmml", text))


def message(number: int, content: bytes) -> bytes:
    """A field of protobuf that holds a message."""
    length, size = b"", len(content)
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def test_graphs_nested_in_graphs_are_refused(tmp_path: Path) -> None:
    graph = b""
    for _ in range(70):
        graph = message(1, message(5, message(6, graph)))  # a node's attribute that is a graph
    assert "MaxDepth" in refused("ONNX", write(tmp_path, "model.onnx", b"\x08\x08" + message(7, graph)))


def test_a_length_beyond_the_end_is_refused(tmp_path: Path) -> None:
    huge = b"\x08\x08\x3a\xff\xff\xff\xff\x07" + bytes(10)
    assert refused("ONNX", write(tmp_path, "model.onnx", huge))
    assert refused("SavedModel", write(tmp_path, "saved_model.pb", b"\x12\xff\xff\xff\xff\x07" + bytes(10)))
