"""Artifacts of every tool are exported alike."""

from pathlib import Path

import pytest

from ormb.errors import UnsafePathError, UnsupportedArtifactError
from ormb.layouts import LAYOUTS
from ormb.modelfile import load_modelfile
from ormb.packed import PackedModel
from ormb.packing import pack
from ormb.reading import parse_manifest, parse_model_manifest
from support import foreign_artifacts as foreign
from support.exports import export as exported_files
from support.foreign_artifacts import DEVICE, HARD_LINK, LINK, Entry
from support.oci_artifacts import Artifact
from support.small_models import adder


def export(artifact: Artifact, directory: Path) -> dict[str, str]:
    """The files of an artifact as text."""
    return {path: content.decode(errors="replace") for path, content in exported_files(artifact, directory).items()}


@pytest.mark.parametrize(
    ("artifact", "layout", "files"),
    [
        (foreign.ormb_v1alpha1(), "ormb", {"model/model.onnx": "onnx"}),
        (foreign.legacy_modelpack(), "modelpack", {"model/model.onnx": "onnx"}),
        *((foreign.modelpack_of_archives(e), "modelpack", {"model/model.onnx": "onnx"}) for e in ("tar", "tar+gzip")),
        (foreign.modelpack_of_archives("tar+zstd"), "modelpack", {"model/model.onnx": "onnx"}),
        (foreign.modelkit(), "modelkit", {"model/model.onnx": "onnx", "model/docs/README.md": "read"}),
        (foreign.modelcar(), "modelcar", {"model/model.onnx": "onnx", "model/same": "onnx"}),
        (
            foreign.docker_model(),
            "docker",
            {
                "model/model-00001.safetensors": "one",
                "model/model-00002.safetensors": "two",
                "model/LICENSE": "MIT",
            },
        ),
    ],
)
def test_every_layout_is_exported_as_a_model_directory(
    tmp_path: Path, artifact: Artifact, layout: str, files: dict[str, str]
) -> None:
    parsed = parse_manifest(artifact.manifest)
    assert parsed is not None
    assert parsed.layout == layout
    exported = export(artifact, tmp_path)
    assert {path: text for path, text in exported.items() if path != "ormbfile.yaml"} == files
    modelfile = load_modelfile(exported["ormbfile.yaml"])
    assert modelfile.format == ("SafeTensors" if layout == "docker" else "ONNX")


@pytest.mark.parametrize("artifact", [foreign.ormb_v1alpha1(), foreign.legacy_modelpack(), foreign.modelkit()])
def test_metadata_of_the_author_in_another_layout_are_kept(tmp_path: Path, artifact: Artifact) -> None:
    assert load_modelfile(export(artifact, tmp_path)["ormbfile.yaml"]).author == "Ada"


def test_unknown_metadata_do_not_prevent_reading_a_model(tmp_path: Path) -> None:
    old = foreign.ormb_v1alpha1(metrics=[{"name": "acc", "value": "0.9"}], unheardOf=1)
    modelfile = load_modelfile(export(old, tmp_path)["ormbfile.yaml"])
    assert (modelfile.author, modelfile.format, modelfile.metrics) == ("Ada", "ONNX", {})


def test_only_an_image_needs_its_layers_to_show_that_it_is_a_model() -> None:
    assert parse_model_manifest(foreign.modelcar().manifest) is None
    assert parse_model_manifest(foreign.modelkit().manifest) is not None
    assert [layout.name for layout in LAYOUTS][-1] == "modelcar"


def packed(directory: Path, archives: Path) -> PackedModel:
    archives.mkdir()
    return pack(directory, archives)


def test_the_layout_of_the_go_ormb_is_written_reproducibly(tmp_path: Path) -> None:
    first = packed(adder(tmp_path / "1", 1), tmp_path / "a1")
    (tmp_path / "1" / "model" / "model.onnx").touch()
    second = packed(tmp_path / "1", tmp_path / "a2")
    assert first.manifest == second.manifest
    parsed = parse_manifest(first.manifest, first.config.source if isinstance(first.config.source, bytes) else None)
    assert parsed is not None
    assert (parsed.layout, parsed.modelfile and parsed.modelfile.format) == ("ormb", "ONNX")
    assert set(parsed.document) == {"schemaVersion", "config", "layers"}


def test_a_model_survives_a_round_trip_through_the_layout_of_the_go_ormb(tmp_path: Path) -> None:
    model = packed(adder(tmp_path / "1", 1), tmp_path / "archives")
    contents = [*model.layers, model.config]
    blobs = [c.source if isinstance(c.source, bytes) else c.source.read_bytes() for c in contents]
    exported = tmp_path / "out"
    exported.mkdir()
    export(Artifact(model.manifest, tuple(blobs)), exported)
    assert pack(exported).layers[1].descriptor == pack(tmp_path / "1").layers[1].descriptor


@pytest.mark.parametrize(
    "entries",
    [
        (Entry("../escape", b"x"),),
        (Entry("/etc/cron.d/x", b"x"),),
        (Entry("model/../../escape", b"x"),),
        (Entry("model/link", type=LINK, link="../../outside"),),
        (Entry("model/link", type=LINK, link="/etc/passwd"),),
        (Entry("model/link", type=HARD_LINK, link="/etc/passwd"),),
        (Entry("model/link", type=LINK, link="not-there"),),
        (Entry("model/device", type=DEVICE),),
        (Entry("model/a\\..\\b", b"x"),),
    ],
)
def test_an_archive_that_leaves_the_directory_is_refused(tmp_path: Path, entries: tuple[Entry, ...]) -> None:
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    with pytest.raises(UnsafePathError, match="not exported"):
        export(foreign.ormb_v1alpha1(*entries), inside)
    assert not (tmp_path / "escape").exists()


def test_a_link_through_a_link_writes_nothing_outside(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(UnsafePathError):
        export(
            foreign.ormb_v1alpha1(
                Entry("model/up", type=LINK, link=".."), Entry("model/up/up/escape", b"x"), Entry("model/m.onnx", b"m")
            ),
            inside,
        )
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]


def test_an_archive_that_decompresses_to_far_more_than_its_size_is_refused(tmp_path: Path) -> None:
    zeros = [Entry(f"model/{number}.bin", bytes(32 * 1024 * 1024)) for number in range(4)]
    with pytest.raises(UnsupportedArtifactError, match="unpacks to far more"):
        export(foreign.ormb_v1alpha1(*zeros), tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.bin")) <= 128 * 1024 * 1024


@pytest.mark.parametrize(
    "content", [b"", b"no archive at all", foreign.packed("tar+gzip", Entry("model/a", b"a" * 999))[:-20]]
)
def test_a_damaged_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    layer = foreign.Layer("application/tar+gzip", content)
    artifact = foreign.artifact("application/vnd.caicloud.model.config.v1alpha1+json", {"format": "ONNX"}, layer)
    with pytest.raises(UnsupportedArtifactError):
        export(artifact, tmp_path)


def test_a_layer_without_a_name_is_refused(tmp_path: Path) -> None:
    document = foreign.artifact("application/vnd.docker.ai.model.config.v0.1+json", {}, foreign.Layer("a/b", b"x"))
    with pytest.raises(UnsupportedArtifactError, match="is not known"):
        export(document, tmp_path)
