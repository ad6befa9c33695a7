"""Links in archives of other tools: each becomes a separate file, in any order, and none leaves the directory."""

import itertools
import json
from pathlib import Path

import pytest

from ormb.errors import UnsafePathError, UnsupportedArtifactError
from ormb.exporting import Unpacker
from ormb.mediatypes import EMPTY_DIRECTORIES
from ormb.packing import pack
from ormb.reading import needed_config, parse_manifest
from support import foreign_artifacts as foreign
from support.foreign_artifacts import DIRECTORY, HARD_LINK, LINK, Entry, Layer
from support.oci_artifacts import Artifact, sha256
from support.small_models import many_files

KIT = "application/vnd.kitops.modelkit."
IMAGE = "application/vnd.oci.image."


def exported(artifact: Artifact, directory: Path) -> dict[str, str]:
    """Return the files of an artifact below `model/` and `extra/`."""
    blobs = {sha256(blob): blob for blob in artifact.blobs}
    wanted = needed_config(artifact.manifest)
    manifest = parse_manifest(artifact.manifest, blobs[wanted.digest] if wanted else None)
    assert manifest is not None
    directory.mkdir(exist_ok=True)
    unpacker = Unpacker(manifest, directory)
    for layer, path in unpacker.wanted():
        path.write_bytes(blobs[layer.digest])
    unpacker.finish()
    files = [path for path in directory.rglob("*") if path.is_file() and path.name != "ormbfile.yaml"]
    assert not [path for path in directory.rglob("*") if path.is_symlink()]
    assert {path.stat().st_nlink for path in files} == {1}, "no file shares its bytes with another"
    return {path.relative_to(directory).as_posix(): path.read_text() for path in files}


def kit(model: list[Entry], **others: list[Entry]) -> Artifact:
    """A ModelKit with the model's layer, and others by their kind."""
    layers = [
        Layer(f"{KIT}{kind}.v1.tar", foreign.tar(*entries)) for kind, entries in {"model": model, **others}.items()
    ]
    return foreign.artifact(f"{KIT}config.v1+json", {"model": {"path": "./model"}}, *layers)


FILE = Entry("model/w.onnx", b"weights")


def link(name: str, aim: str) -> Entry:
    return Entry(name, type=LINK, link=aim)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_the_order_in_the_archive_makes_no_difference(tmp_path: Path, order: tuple[int, ...]) -> None:
    entries = [FILE, link("model/a.onnx", "b.onnx"), link("model/b.onnx", "w.onnx"), link("model/d/c", "../a.onnx")]
    files = exported(kit([entries[place] for place in order]), tmp_path / "out")
    assert files == dict.fromkeys(("model/w.onnx", "model/a.onnx", "model/b.onnx", "model/d/c"), "weights")


def test_a_link_to_a_directory_and_one_through_it_become_copies(tmp_path: Path) -> None:
    entries = [
        link("model/x", "latest/w.onnx"),
        link("model/latest", "v2"),
        Entry("model/v2/w.onnx", b"two"),
        link("model/v2/same", "w.onnx"),
    ]
    files = exported(kit(entries), tmp_path / "out")
    names = ("model/x", "model/latest/w.onnx", "model/latest/same", "model/v2/w.onnx", "model/v2/same")
    assert files == dict.fromkeys(names, "two")


def test_a_link_may_point_to_a_file_of_another_layer(tmp_path: Path) -> None:
    files = exported(
        kit([FILE], code=[link("code/weights", "../model/w.onnx"), Entry("code/run.py", b"x")]), tmp_path / "o"
    )
    assert files["model/w.onnx"] == files["extra/code/weights"] == "weights"


@pytest.mark.parametrize("aim", ["../model", "../../../etc/passwd", "/etc/passwd", "gone", "link"])
def test_an_unsupported_link_beside_the_model_is_omitted_with_a_note(
    tmp_path: Path, aim: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", logger="ormb")
    files = exported(kit([FILE], code=[link("code/link", aim), Entry("code/run.py", b"x")]), tmp_path / "out")
    assert files == {"model/w.onnx": "weights", "extra/code/run.py": "x"}
    assert caplog.messages == [f"the archive links 'code/link' to {aim!r}, which is no file beside it: it is left out"]


@pytest.mark.parametrize("aim", ["../../w", "/etc/passwd", "gone", "link", "..", "../model", "other"])
def test_a_dangling_link_of_the_model_is_refused(tmp_path: Path, aim: str) -> None:
    with pytest.raises(UnsafePathError, match=r"the archive links 'model/(link|other)' to .* it is not exported"):
        exported(kit([FILE, link("model/link", aim), link("model/other", "link")]), tmp_path / "out")


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    with pytest.raises(UnsafePathError, match="not exported"):
        exported(kit([FILE, link("model/up", "../.."), Entry("model/up/escape", b"x")]), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_later_layer_of_an_image_decides_the_target_of_a_link(tmp_path: Path) -> None:
    layers = [
        [Entry("models/w", b"old"), link("models/link", "w"), link("models/gone", "w"), Entry("models/d/x", b"x")],
        [Entry("models/w", b"new"), Entry("models/.wh.gone"), link("models/d/y", "x"), Entry("models/.wh.d")],
        [Entry("models/hard", type=HARD_LINK, link="models/w")],
        [Entry("models/w", b"last")],
    ]
    image = foreign.artifact(
        f"{IMAGE}config.v1+json", {}, *(Layer(f"{IMAGE}layer.v1.tar", foreign.tar(*entries)) for entries in layers)
    )
    assert exported(image, tmp_path / "out") == {"model/w": "last", "model/link": "last", "model/hard": "new"}


def test_links_that_multiply_the_model_are_refused(tmp_path: Path) -> None:
    """Each directory contains the previous one twice."""
    entries = [Entry("model/0/w", bytes(1024))]
    for number in range(1, 20):
        entries += [link(f"model/{number}/{side}", f"../{number - 1}") for side in "ab"]
    with pytest.raises(UnsupportedArtifactError, match="far more than its layers"):
        exported(kit(entries), tmp_path / "out")


def test_an_endless_chain_is_refused(tmp_path: Path) -> None:
    entries = [link(f"model/{number}", str(number + 1)) for number in range(2000)]
    with pytest.raises(UnsafePathError, match="not exported"):
        exported(kit([*entries, Entry("model/2000", b"x")]), tmp_path / "out")


def test_a_kit_packed_on_windows_has_its_directories(tmp_path: Path) -> None:
    entries = [
        Entry("model\\w.onnx", b"weights"),
        Entry("model\\notes\\a.md", b"a"),
        link("model\\b.md", "notes\\a.md"),
    ]
    files = exported(kit(entries), tmp_path / "out")
    assert files == {"model/w.onnx": "weights", "model/notes/a.md": "a", "model/b.md": "a"}


@pytest.mark.parametrize("name", ["C:\\model\\w", "\\model\\w", "\\\\host\\share\\w", "model\\..\\..\\w"])
def test_a_windows_path_outside_the_directory_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnsafePathError, match="outside the destination"):
        exported(kit([FILE, Entry(name, b"x")]), tmp_path / "out")


def test_an_empty_directory_of_another_tool_is_kept(tmp_path: Path) -> None:
    exported(kit([FILE, Entry("model/1", type=DIRECTORY)]), tmp_path / "out")
    assert (tmp_path / "out" / "model" / "1").is_dir()


@pytest.mark.parametrize("entry", [link("model/w.onnx/below", "../w.onnx"), link("model/" + "n/" * 3 + "x" * 300, "w")])
def test_a_link_without_a_place_refuses_the_artifact_with_a_sentence(tmp_path: Path, entry: Entry) -> None:
    with pytest.raises((UnsupportedArtifactError, UnsafePathError), match=r"cannot be|not exported"):
        exported(kit([FILE, entry]), tmp_path / "out")


def test_an_empty_directory_in_place_of_a_file_refuses_the_artifact_with_a_sentence(tmp_path: Path) -> None:
    packed = pack(many_files(tmp_path / "m", 1))
    document = json.loads(packed.manifest)
    document["annotations"][EMPTY_DIRECTORIES] = '["model/00000.txt"]'
    blobs = [part.source if isinstance(part.source, bytes) else part.source.read_bytes() for part in packed.layers]
    with pytest.raises(UnsupportedArtifactError, match="cannot be written"):
        exported(Artifact(json.dumps(document).encode(), tuple(blobs)), tmp_path / "out")
    document["annotations"][EMPTY_DIRECTORIES] = '["../escape"]'
    with pytest.raises(UnsafePathError, match="outside the destination"):
        exported(Artifact(json.dumps(document).encode(), tuple(blobs)), tmp_path / "out2")
