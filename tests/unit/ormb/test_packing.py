"""Packing a model directory gives the same artifact every time, and never includes files from outside."""

import json
import os
from pathlib import Path

import pytest

from ormb import mediatypes
from ormb.digest import digest_bytes
from ormb.errors import InvalidModelDirectoryError, InvalidModelFileError
from ormb.packed import PackedModel
from ormb.packing import pack
from ormb.reading import parse_model_manifest
from support.small_models import adder


def of_format(directory: Path, files: dict[str, str], model_format: str = "Others") -> Path:
    """A model whose file contents do not matter."""
    for name, content in {"ormbfile.yaml": f"format: {model_format}\n", **files}.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(content)
    return directory


def paths(packed: PackedModel) -> list[str | None]:
    return [layer.descriptor.path for layer in packed.layers]


def test_the_same_files_are_the_same_artifact_on_every_machine(tmp_path: Path) -> None:
    first = pack(adder(tmp_path / "a", 1))
    (copy := adder(tmp_path / "b", 1)).chmod(0o700)
    os.utime(copy / "model" / "model.onnx", (0, 0))
    (copy / "model" / "model.onnx").chmod(0o600)
    assert pack(copy).digest == first.digest
    assert pack(adder(tmp_path / "c", 2)).digest != first.digest


def test_the_artifact_is_a_modelpack_with_one_raw_layer_for_each_file(tmp_path: Path) -> None:
    packed = pack(of_format(tmp_path / "m", {"model/b.bin": "bb", "model/a/c.txt": "c", "model/run.py": "x"}))
    manifest = json.loads(packed.manifest)
    assert manifest["artifactType"] == mediatypes.MODELPACK_ARTIFACT
    assert manifest["config"]["mediaType"] == mediatypes.MODELPACK_CONFIG
    assert paths(packed) == ["ormbfile.yaml", "model/a/c.txt", "model/b.bin", "model/run.py"]
    types = [layer.descriptor.media_type for layer in packed.layers]
    assert types == [mediatypes.WEIGHT_CONFIG, mediatypes.WEIGHT_CONFIG, mediatypes.WEIGHT, mediatypes.CODE]
    assert packed.layers[2].descriptor.digest == digest_bytes(b"bb")
    assert packed.digest == digest_bytes(packed.manifest)


def test_a_packed_model_is_read_back(tmp_path: Path) -> None:
    packed = pack(of_format(tmp_path / "m", {"model/w.bin": "w"}))
    parsed = parse_model_manifest(packed.manifest)
    assert parsed is not None
    assert parsed.modelfile is not None
    assert (parsed.digest, parsed.size, parsed.modelfile.format) == (packed.digest, packed.size, "Others")


def test_the_format_is_detected_by_default(tmp_path: Path) -> None:
    packed = pack(adder(tmp_path / "m", 1))
    assert packed.modelfile.format == "ONNX"
    assert packed.layers[0].source == b"format: ONNX\n"


def test_an_ormbfile_is_preserved_byte_for_byte(tmp_path: Path) -> None:
    text = "# by hand\nformat:   Others\n"
    directory = of_format(tmp_path / "m", {"model/w.bin": "w", "ormbfile.yaml": text})
    assert pack(directory).layers[0].source == text.encode()


def test_a_link_inside_the_model_becomes_its_file(tmp_path: Path) -> None:
    directory = of_format(tmp_path / "m", {"model/w.bin": "w"})
    (directory / "model" / "same.bin").symlink_to("w.bin")
    digests = [layer.descriptor.digest for layer in pack(directory).layers[1:]]
    assert digests == [digest_bytes(b"w")] * 2


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside.txt"])
def test_a_link_that_leaves_the_model_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "outside.txt").write_text("secret")
    directory = of_format(tmp_path / "m", {"model/w.bin": "w"})
    (directory / "model" / "link").symlink_to(target)
    with pytest.raises(InvalidModelDirectoryError, match="links to a file outside the model"):
        pack(directory)


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    directory = of_format(tmp_path / "m", {"model/w.bin": "w"})
    os.mkfifo(directory / "model" / "pipe")
    with pytest.raises(InvalidModelDirectoryError, match="neither a file nor a directory"):
        pack(directory)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "has no model/ directory"),
        ({"model/notes.txt": "x", "ormbfile.yaml": ""}, "cannot be detected from its files: write `format:"),
        ({"model/notes.txt": "x", "ormbfile.yaml": "format: ONNX"}, "onnx"),
        ({"model/notes.txt": "x", "ormbfile.yaml": "format: Onyx"}, "Onyx"),
    ],
)
def test_an_invalid_model_directory_is_refused_with_advice(tmp_path: Path, files: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidModelDirectoryError) as failure:
        pack(of_format(tmp_path / "m", files))
    assert says in str(failure.value)


def test_a_missing_directory_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelDirectoryError, match=r"nowhere does not exist: a model directory holds ormbfile"):
        pack(tmp_path / "nowhere")


def test_an_ormbfile_in_another_encoding_is_reported(tmp_path: Path) -> None:
    directory = of_format(tmp_path / "m", {"model/w.bin": "w"})
    (directory / "ormbfile.yaml").write_bytes("format: Others\nauthor: André\n".encode("latin-1"))
    with pytest.raises(InvalidModelFileError, match=r"ormbfile\.yaml is not UTF-8"):
        pack(directory)


@pytest.mark.parametrize("declared", ["", "format: ONNX\n"])
def test_pointers_instead_of_weights_are_refused_with_the_command_that_fetches_them(
    tmp_path: Path, declared: str
) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    directory = of_format(
        tmp_path / "m", {"model/weights": pointer, "model/model.onnx": "x", "ormbfile.yaml": declared}
    )
    with pytest.raises(InvalidModelDirectoryError, match=r"weights is a pointer of Git LFS.*`git lfs pull`"):
        pack(directory)
