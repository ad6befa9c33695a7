"""Valid manifests, and their record in the index of a repository."""

import json
from typing import Any

import pytest

from klever_registry.domain import index as indexes
from klever_registry.domain import signatures
from klever_registry.domain.index import DELETED_LIMIT, RepositoryIndex, dump, load
from klever_registry.domain.manifests import Manifest, parse_manifest
from klever_registry.errors import ManifestInvalidError
from kleverproto.signatures import Signature, Tensor
from support import oci_artifacts as oci


def read(artifact: oci.Artifact) -> Manifest:
    return parse_manifest(artifact.manifest, artifact.digest)


def test_an_image_requires_its_config_and_layers() -> None:
    artifact = oci.image()
    assert read(artifact).blobs == tuple(oci.sha256(blob) for blob in artifact.blobs)
    assert read(artifact).artifact_type == "application/vnd.oci.image.config.v1+json"


def test_an_index_requires_its_children() -> None:
    manifest = read(oci.index(oci.image(), oci.model()))
    assert manifest.children == (oci.image().digest, oci.model().digest)
    assert manifest.blobs == ()


def test_a_layer_stored_elsewhere_is_not_required() -> None:
    foreign = oci.descriptor(b"far", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", urls=["http://x"])
    document = json.loads(oci.image().manifest) | {"layers": [foreign]}
    assert parse_manifest(json.dumps(document).encode(), "d").blobs == (oci.sha256(b"{}"),)


def test_a_referrer_names_its_subject() -> None:
    assert read(oci.referrer(oci.model(), "text/x")).subject == oci.model().digest


@pytest.mark.parametrize(
    "change",
    [
        {"schemaVersion": 1},
        {"mediaType": "text/plain"},
        {"config": None},
        {"config": {"digest": "sha256:abc"}},
        {"layers": [{"digest": 5}]},
        {"layers": 5},
        {"subject": {}},
        {"annotations": []},
    ],
)
def test_a_broken_manifest_is_refused(change: dict[str, Any]) -> None:
    document = json.loads(oci.image().manifest) | change
    if change == {"annotations": []}:
        document["annotations"] = ["x"]
    with pytest.raises(ManifestInvalidError):
        parse_manifest(json.dumps(document).encode(), "d")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"5", b"\xff", b"[" * 100_000])
def test_content_that_is_not_a_json_object_is_refused(content: bytes) -> None:
    with pytest.raises(ManifestInvalidError):
        parse_manifest(content, "d")


def test_the_content_type_must_equal_the_media_type_inside() -> None:
    with pytest.raises(ManifestInvalidError, match="mediaType is"):
        parse_manifest(oci.image().manifest, "d", oci.OCI_INDEX)


def test_an_index_survives_a_round_trip() -> None:
    model, image, about = read(oci.model()), read(oci.image()), read(oci.referrer(oci.model(), "text/x"))
    index = RepositoryIndex().with_manifest(model, "v1").with_manifest(model, "v2").with_manifest(image, None)
    index = index.with_manifest(about, None)
    assert indexes.load(indexes.dump(index)) == index
    assert index.tags_of(model.digest) == ["v1", "v2"]
    assert index.referrers(model.digest) == [about.digest]


def test_a_manifest_outlives_its_tags_but_a_tag_does_not_outlive_its_manifest() -> None:
    model = read(oci.model())
    tagged = RepositoryIndex().with_manifest(model, "v1")
    assert tagged.without_tag("v1").resolve(model.digest) == model.digest
    assert tagged.without_manifest(model.digest) == RepositoryIndex(deleted=("v1",))


def test_the_same_signature_gives_the_same_referrer() -> None:
    def build() -> signatures.SignatureArtifact:
        signature = Signature(inputs=(Tensor(name="é", dtype="float32", shape=("n", 4)),), operators={"b": 1, "a": 2})
        return signatures.build(signature, read(oci.model()).descriptor)

    artifact = build()
    assert artifact == build()
    manifest = parse_manifest(artifact.manifest, signatures.digest_of(artifact.manifest))
    assert manifest.subject == oci.model().digest
    assert manifest.artifact_type == "application/vnd.klever.signature.v1+json"
    assert set(manifest.blobs) == set(artifact.blobs)


def test_an_index_records_deleted_tags_until_they_are_pushed_again() -> None:
    model = read(oci.model())
    index = RepositoryIndex()
    for tag in ("v1", "v2", "v3"):
        index = index.with_manifest(model, tag)
    assert index.without_tag("v2").deleted == ("v2",)
    gone = index.without_tag("v2").without_manifest(model.digest)
    assert gone.deleted == ("v2", "v1", "v3")
    assert load(dump(gone)) == gone
    assert gone.with_manifest(model, "v1").deleted == ("v2", "v3")
    assert index.without_tag("unknown").deleted == ()


def test_the_number_of_recorded_deleted_tags_is_limited() -> None:
    model = read(oci.model())
    index = RepositoryIndex()
    for number in range(DELETED_LIMIT + 1):
        index = index.with_manifest(model, f"v{number}").without_tag(f"v{number}")
    assert len(index.deleted) == DELETED_LIMIT
    assert index.deleted[-1] == f"v{DELETED_LIMIT}"
