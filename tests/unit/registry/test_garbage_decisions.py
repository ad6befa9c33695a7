"""The removal of blobs depends only on references and on recent use."""

import json
from datetime import UTC, datetime, timedelta

from klever_registry.domain.garbage import referenced_digests, unused_digests
from klever_registry.domain.index import RepositoryIndex
from klever_registry.domain.manifests import parse_manifest
from support import oci_artifacts as oci

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OLD = NOW - timedelta(days=2)
ARTIFACT = oci.model()
MODEL = parse_manifest(ARTIFACT.manifest, ARTIFACT.digest)


def test_a_manifest_and_its_blobs_are_referenced_even_without_a_tag() -> None:
    index = RepositoryIndex().with_manifest(MODEL, None)
    assert referenced_digests(index, [MODEL]) == {ARTIFACT.digest, *(oci.sha256(blob) for blob in ARTIFACT.blobs)}


def test_a_layer_that_may_be_stored_elsewhere_is_referenced_if_it_is_here() -> None:
    document = json.loads(ARTIFACT.manifest)
    document["layers"][0]["urls"] = ["https://example.org/layer"]
    manifest = parse_manifest(json.dumps(document).encode(), ARTIFACT.digest)
    layer = document["layers"][0]["digest"]
    assert layer not in manifest.blobs
    assert layer in referenced_digests(RepositoryIndex(), [manifest])


def test_only_unreferenced_blobs_without_recent_use_are_removed() -> None:
    used = {"sha256:named": OLD, "sha256:fresh": NOW, "sha256:b": OLD, "sha256:a": OLD}
    before = NOW - timedelta(days=1)
    assert unused_digests(used, frozenset({"sha256:named"}), before=before) == ["sha256:a", "sha256:b"]


def test_a_blob_used_exactly_at_the_limit_is_kept() -> None:
    assert unused_digests({"sha256:a": NOW}, frozenset(), before=NOW) == []
