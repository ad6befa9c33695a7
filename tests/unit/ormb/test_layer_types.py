"""Media types of layers: supported with their compression, or refused by name; declared digests are verified."""

import gzip
from pathlib import Path
from typing import Protocol

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from ormb.errors import DigestMismatchError, UnsupportedArtifactError
from ormb.layouts import layer_types
from ormb.layouts.layer_types import Compression, LayerType, layer_type
from support import foreign_artifacts as foreign
from support.exports import export
from support.foreign_artifacts import Entry, Layer, Section
from support.oci_artifacts import Artifact, sha256

PACKINGS = [form + compression for form in ("raw", "tar") for compression in ("", "+gzip", "+zstd")]
PATTERNS = (
    layer_types.MODELPACK,
    layer_types.MODELPACK_OF_DOCKER,
    layer_types.MODELKIT,
    layer_types.ORMB,
    layer_types.DOCKER_FILE,
    layer_types.DOCKER_ARCHIVE,
    layer_types.IMAGE,
    layer_types.IMAGE_OF_DOCKER,
)


class Made(Protocol):
    """Creates an artifact with one file of weights."""

    def __call__(self, packing: str, content: bytes = b"onnx", *, diff_id: str = "") -> Artifact: ...


def of_modelkit(packing: str, content: bytes = b"onnx", *, diff_id: str = "") -> Artifact:
    kitfile = {"model": {"path": "./weights/m.onnx"}}
    return foreign.kit(kitfile, Section("model", {"weights/m.onnx": content}), packing=packing, diff_id=diff_id)


def of_modctl(packing: str, content: bytes = b"onnx", *, diff_id: str = "") -> Artifact:
    return foreign.modctl(Section("weight", {"weights/m.onnx": content}), packing=packing, diff_id=diff_id)


def of_image(ending: str) -> Artifact:
    layer = Layer(ending, foreign.packed(ending, Entry("models/m.onnx", b"onnx")))
    return foreign.artifact("application/vnd.oci.image.config.v1+json", {}, layer)


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("made", [of_modelkit, of_modctl])
def test_every_packing_is_exported_as_the_contained_file(tmp_path: Path, packing: str, made: Made) -> None:
    assert export(made(packing), tmp_path)["model/m.onnx"] == b"onnx"


@pytest.mark.parametrize(
    "kind",
    [
        *(f"application/vnd.oci.image.layer.v1.tar{end}" for end in ("", "+gzip", "+zstd")),
        *(f"application/vnd.docker.image.rootfs.diff.tar{end}" for end in ("", ".gzip", ".zstd")),
    ],
)
def test_every_packing_of_image_layers_is_exported(tmp_path: Path, kind: str) -> None:
    assert export(of_image(kind), tmp_path)["model/m.onnx"] == b"onnx"


@pytest.mark.parametrize(
    "packing", ["raw+lz4", "tar+xz", "tar+gzip+encrypted", "zip", "raw+gzip; q=1", "RAW", "", "tar.gz"]
)
@pytest.mark.parametrize("made", [of_modelkit, of_modctl])
def test_an_unknown_packing_is_refused_by_its_name(tmp_path: Path, packing: str, made: Made) -> None:
    artifact = made("raw")
    manifest = artifact.manifest.replace(b'.v1.raw"', f'.v1.{packing}"'.encode())
    with pytest.raises(UnsupportedArtifactError, match=r"v1\."):
        export(Artifact(manifest, artifact.blobs), tmp_path)
    assert not (tmp_path / "model").exists()


@given(text=st.text(max_size=60))
def test_a_media_type_is_not_recognised_by_its_suffix_alone(text: str) -> None:
    for ending in PACKINGS:
        with pytest.raises(UnsupportedArtifactError):
            layer_type(f"{text}.v1.{ending}", PATTERNS)


@given(
    prefix=st.sampled_from(["vnd.cncf.model.weight", "vnd.cnai.model.weight.config", "vnd.kitops.modelkit.docs"]),
    form=st.sampled_from(["raw", "tar"]),
    compression=st.sampled_from(list(Compression)),
    more=st.text(max_size=5),
)
def test_a_media_type_is_compared_in_full(prefix: str, form: str, compression: Compression, more: str) -> None:
    text = f"application/{prefix}.v1.{form}{'+' if compression else ''}{compression}"
    kind = prefix.removeprefix("vnd.cncf.model.").removeprefix("vnd.cnai.model.").removeprefix("vnd.kitops.modelkit.")
    assert layer_type(text, PATTERNS) == LayerType(kind, form == "tar", compression)
    if more and compression:
        with pytest.raises(UnsupportedArtifactError):
            layer_type(text + more, PATTERNS)


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("made", [of_modelkit, of_modctl])
def test_bytes_of_another_type_than_declared_are_refused(tmp_path: Path, packing: str, made: Made) -> None:
    """The blob matches its descriptor, but its decompressed content does not match the artifact."""
    with pytest.raises(DigestMismatchError, match="declares"):
        export(made(packing, diff_id=sha256(b"other")), tmp_path)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("packing", ["raw+gzip", "raw+zstd", "tar+gzip", "tar+zstd"])
@pytest.mark.parametrize("damage", ["truncated", "empty", "nothing of the kind"])
def test_damaged_compression_is_refused(tmp_path: Path, packing: str, damage: str) -> None:
    whole = foreign.compressed(packing, b"onnx" * 1000)
    content = {"truncated": whole[:-6], "empty": b"", "nothing of the kind": b"no compression at all"}[damage]
    layer = Layer(f"application/vnd.cncf.model.weight.v1.{packing}", content, {"org.cncf.model.filepath": "m.onnx"})
    config = "application/vnd.cncf.model.config.v1+json"
    with pytest.raises(UnsupportedArtifactError, match="cannot be unpacked"):
        export(foreign.artifact(config, {}, layer), tmp_path)


@pytest.mark.parametrize(
    ("packing", "content"),
    [
        ("raw+gzip", gzip.compress(b"on", mtime=0) + gzip.compress(b"nx", mtime=0)),
        ("raw+zstd", zstandard.compress(b"on") + zstandard.compress(b"nx")),
    ],
)
def test_content_in_several_frames_is_exported_completely(tmp_path: Path, packing: str, content: bytes) -> None:
    layer = Layer(f"application/vnd.cncf.model.weight.v1.{packing}", content, {"org.cncf.model.filepath": "m.onnx"})
    config = "application/vnd.cncf.model.config.v1+json"
    assert export(foreign.artifact(config, {}, layer), tmp_path)["model/m.onnx"] == b"onnx"


@pytest.mark.parametrize("packing", ["raw+gzip", "raw+zstd"])
def test_a_file_that_decompresses_to_far_more_than_its_size_is_refused(tmp_path: Path, packing: str) -> None:
    with pytest.raises(UnsupportedArtifactError, match="unpacks to far more"):
        export(of_modctl(packing, bytes(128 * 1024 * 1024)), tmp_path)
