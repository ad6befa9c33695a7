"""Damaged or malicious files end in a clear error, quickly and with little memory."""

import gzip
import zipfile
from pathlib import Path

import pytest

from modelformats import InvalidModelError, extract_signature
from support import model_files
from support.memory import parse_apart
from support.model_files import write

MEGABYTE = 1024 * 1024


def refused(name: str, directory: Path) -> str:
    """Return the reason why a model is refused."""
    with pytest.raises(InvalidModelError) as failure:
        extract_signature(name, directory)
    return str(failure.value)


@pytest.mark.parametrize("name", sorted(model_files.of_each_format()))
def test_an_empty_file_is_not_a_model(tmp_path: Path, name: str) -> None:
    file, _ = model_files.of_each_format()[name]
    assert Path(file).name in refused(name, model_files.write_model(tmp_path, name, b""))


@pytest.mark.parametrize("name", sorted(model_files.of_each_format()))
def test_a_truncated_file_is_not_a_model(tmp_path: Path, name: str) -> None:
    _, content = model_files.of_each_format()[name]
    assert refused(name, model_files.write_model(tmp_path, name, content[: len(content) // 2]))


@pytest.mark.parametrize("name", sorted(model_files.of_each_format()))
def test_bytes_of_another_format_are_not_a_model(tmp_path: Path, name: str) -> None:
    file, _ = model_files.of_each_format()[name]
    assert Path(file).name in refused(name, model_files.write_model(tmp_path, name, b"\x89PNG\r\n\x1a\n" + bytes(100)))


def dtd(declared: str, used: str) -> str:
    """A PMML document that declares and uses entities."""
    return model_files.PMML.replace("<PMML", f"<!DOCTYPE PMML [{declared}]>\n<PMML").replace("JPMML-SkLearn", used)


LAUGHS = '<!ENTITY e0 "ha">' + "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(12))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(dtd(LAUGHS, "&e12;"), id="a-billion-laughs"),
        pytest.param(dtd(f'<!ENTITY long "{"x" * 100_000}">', "&long;" * 10_000), id="quadratic"),
        pytest.param(dtd('<!ENTITY a "&b;"><!ENTITY b "&a;">', "&a;"), id="entities-that-hold-each-other"),
    ],
)
def test_entities_are_not_expanded(tmp_path: Path, text: str) -> None:
    outcome = parse_apart("PMML", write(tmp_path, "model.pmml", text))
    assert outcome.outcome == "InvalidModelError"
    assert outcome.grown_mb < 30


@pytest.mark.parametrize(
    "declared",
    [
        '<!ENTITY secret SYSTEM "{url}">',
        '<!ENTITY % all SYSTEM "{url}"> %all;',
        '<!ENTITY secret PUBLIC "-//a//b" "{url}">',
        '<!ATTLIST Application name CDATA "given">',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_other_files_are_not_read_into_a_document(tmp_path: Path, declared: str, encoding: str) -> None:
    secret = write(tmp_path / "other", "secret.txt", "the secret") / "secret.txt"
    text = dtd(declared.replace("{url}", secret.as_uri()), "&secret;" if "ENTITY secret" in declared else "x")
    text = text.replace('version="1.0"?', f'version="1.0" encoding="{encoding}"?')
    reason = refused("PMML", write(tmp_path / "model", "model.pmml", text.encode(encoding)))
    assert "the secret" not in reason


def test_a_declared_dtd_is_refused_with_advice(tmp_path: Path) -> None:
    text = dtd('<!ENTITY a "ha">', "x")
    assert "declares a DTD, which PMML does not need: remove it" in refused("PMML", write(tmp_path, "model.pmml", text))


def test_another_document_is_not_included(tmp_path: Path) -> None:
    write(tmp_path / "other", "secret.txt", "the secret")
    include = f'<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="{tmp_path}/other/secret.txt" parse="text"/>'
    text = model_files.PMML.replace("<Header>", f"<Header>{include}")
    signature = extract_signature("PMML", write(tmp_path / "model", "model.pmml", text))
    assert "the secret" not in signature.model_dump_json()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("<A>" * 100_000 + "</A>" * 100_000, id="deep"),
        pytest.param("<A " + " ".join(f'a{n}="1"' for n in range(5000)) + " a1='2'/>", id="the-same-attribute-twice"),
        pytest.param(f'<A b="{"x" * 20_000_000}"/>', id="a-long-attribute"),
        pytest.param("<!--" + "x" * 20_000_000 + "-->", id="a-long-comment"),
    ],
)
def test_xml_over_the_limits_is_refused(tmp_path: Path, text: str) -> None:
    assert refused("PMML", write(tmp_path, "model.pmml", f"<PMML version='4.4'>{text}</PMML>"))


def test_a_compressed_document_is_not_decompressed(tmp_path: Path) -> None:
    content = gzip.compress(b"<PMML>" + b"<A/>" * 2_000_000 + b"</PMML>")
    outcome = parse_apart("PMML", write(tmp_path, "model.pmml", content))
    assert (outcome.outcome, outcome.grown_mb < 10) == ("InvalidModelError", True)


def test_a_zip_is_not_decompressed(tmp_path: Path) -> None:
    for name, (file, content) in model_files.of_each_format().items():
        with zipfile.ZipFile(write(tmp_path / name, file, b"") / file, "w") as packed:
            packed.writestr(file, content)
        assert refused(name, tmp_path / name)


def varint(number: int) -> bytes:
    """An integer in protobuf's encoding: seven bits per byte, lowest first."""
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def message(number: int, content: bytes) -> bytes:
    """A protobuf field with a message."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def nested(depth: int) -> bytes:
    """An ONNX model of nested graphs, each an attribute of a node of the outer one."""
    graph = b""
    for _ in range(depth):
        graph = message(1, message(4, b"If") + message(5, message(6, graph)))
    value = message(12, message(1, b"y"))
    return b"\x08\x08" + message(7, graph + value) + message(8, b"\x10\x11")


def test_nested_graphs_are_counted_up_to_the_depth_of_protobuf(tmp_path: Path) -> None:
    signature = extract_signature("ONNX", write(tmp_path, "model.onnx", nested(30)))
    assert signature.operators == {"If": 30}


@pytest.mark.parametrize("depth", [70, 5_000])
def test_graphs_nested_deeper_are_refused(tmp_path: Path, depth: int) -> None:
    assert "MaxDepth" in refused("ONNX", write(tmp_path, "model.onnx", nested(depth)))


@pytest.mark.parametrize(
    "length",
    [b"\xff\xff\xff\xff\x07", b"\xff" * 9 + b"\x01", b"\xff" * 10, b"\x80" * 1000, b"\xff"],
    ids=["2-GB", "most", "too-long", "without-end", "cut-off"],
)
@pytest.mark.parametrize(("name", "start"), [("ONNX", b"\x08\x08\x3a"), ("SavedModel", b"\x12")])
def test_a_length_past_the_end_is_refused(tmp_path: Path, name: str, start: bytes, length: bytes) -> None:
    file, _ = model_files.of_each_format()[name]
    assert file in refused(name, write(tmp_path, file, start + length + b"\x0a"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ONNX", b"LinearClassifier"),
        ("ONNX", b"output_label"),
        ("ONNX", b"skl2onnx"),
        ("ONNX", b"ai.onnx.ml"),
        ("ONNX", b"ONNX(LogisticRegression)"),
        ("SavedModel", b"MatMul"),
        ("SavedModel", b"serving_default"),
    ],
)
def test_text_that_is_not_unicode_is_refused(tmp_path: Path, name: str, text: bytes) -> None:
    file, content = model_files.of_each_format()[name]
    assert text in content
    assert refused(name, write(tmp_path, file, content.replace(text, b"\xff" * len(text))))


@pytest.mark.parametrize("name", ["ONNX", "SavedModel", "GraphDef"])
def test_weights_inside_a_protobuf_file_are_not_loaded(tmp_path: Path, name: str) -> None:
    file, content = model_files.of_each_format()[name]
    grown = content + varint(99 << 3 | 2) + varint(150 * MEGABYTE)
    with (write(tmp_path, file, grown) / file).open("ab") as holes:
        holes.truncate(len(grown) + 150 * MEGABYTE)
    parsing = parse_apart(name, tmp_path, room_mb=60)
    assert parsing.outcome == "parsed"
    assert parsing.grown_mb < 30


@pytest.mark.parametrize("room_mb", [30, 80], ids=["to-read-the-file", "to-parse-it"])
def test_too_little_memory_is_not_reported_as_damage(tmp_path: Path, room_mb: int) -> None:
    name = varint(2 << 3 | 2) + varint(50 * MEGABYTE) + b"a" * (50 * MEGABYTE)
    write(tmp_path, "model.onnx", name)
    assert parse_apart("ONNX", tmp_path, room_mb=room_mb).outcome == "MemoryError"
