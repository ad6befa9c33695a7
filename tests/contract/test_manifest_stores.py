"""One suite for every store of manifests: the deletion of versions."""

from pathlib import Path

import pytest

from klever_registry.adapters.local import Layout, LocalManifests
from klever_registry.adapters.memory import InMemoryManifests
from klever_registry.domain.manifests import parse_manifest
from klever_registry.ports import ManifestStore
from support import oci_artifacts as oci

REPOSITORY = "library/iris"
MODEL, NEWER = oci.model(), oci.model(b"newer weights")
ABOUT = oci.referrer(MODEL, "text/plain")
ABOUT_THAT = oci.referrer(ABOUT, "text/plain", b"about what is about it")


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ManifestStore:
    return LocalManifests(Layout(tmp_path)) if request.param == "local" else InMemoryManifests()


async def put(store: ManifestStore, artifact: oci.Artifact, tag: str | None = None) -> None:
    await store.put(REPOSITORY, parse_manifest(artifact.manifest, artifact.digest, None), tag)


async def left(store: ManifestStore) -> tuple[dict[str, str], set[str]]:
    index = await store.index(REPOSITORY)
    assert index is not None
    return index.tags, set(index.manifests)


async def test_deleting_a_version_deletes_its_referrers(store: ManifestStore) -> None:
    await put(store, MODEL, "v1")
    await put(store, NEWER, "v2")
    await put(store, ABOUT)
    await put(store, ABOUT_THAT)
    assert await store.delete_version(REPOSITORY, "v1", MODEL.digest)
    assert await left(store) == ({"v2": NEWER.digest}, {NEWER.digest})
    index = await store.index(REPOSITORY)
    assert index is not None
    assert index.deleted == ("v1",)


@pytest.mark.parametrize("tag", ["v1", "never"])
async def test_a_tag_of_another_version_remains(store: ManifestStore, tag: str) -> None:
    await put(store, NEWER, "v1")
    assert not await store.delete_version(REPOSITORY, tag, MODEL.digest)
    assert await left(store) == ({"v1": NEWER.digest}, {NEWER.digest})


async def test_a_manifest_with_another_tag_remains_with_its_referrers(store: ManifestStore) -> None:
    for tag in ("v1", "stable"):
        await put(store, MODEL, tag)
    await put(store, ABOUT)
    assert await store.delete_version(REPOSITORY, "v1", MODEL.digest)
    assert await left(store) == ({"stable": MODEL.digest}, {MODEL.digest, ABOUT.digest})


async def test_a_referrer_with_its_own_tag_remains(store: ManifestStore) -> None:
    await put(store, MODEL, "v1")
    await put(store, ABOUT, "about")
    assert await store.delete_version(REPOSITORY, "v1", MODEL.digest)
    assert await left(store) == ({"about": ABOUT.digest}, {ABOUT.digest})


async def test_a_manifest_that_an_image_index_may_name_remains(store: ManifestStore) -> None:
    both = oci.index(MODEL)
    await put(store, MODEL, "v1")
    await put(store, both, "all")
    assert await store.delete_version(REPOSITORY, "v1", MODEL.digest)
    assert await left(store) == ({"all": both.digest}, {MODEL.digest, both.digest})
