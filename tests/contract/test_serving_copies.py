"""One suite for every store of copies of servings: files, a cluster, and memory."""

import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from kubernetes_asyncio.client import CoreV1Api

from klever_deployer.adapters.copies import FileCopies
from klever_deployer.adapters.kubernetes.copies import ClusterCopies
from klever_deployer.adapters.memory import InMemoryCopies
from klever_deployer.ports import CopyStore
from kleverkit.errors import TransientError
from kleverkube.options import ClusterOptions
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.connecting import connected
from kleverproto.documents import Tombstone
from kleverproto.servings import ServingDocument, ServingStatus
from kleverroutes.versions import ServingName
from support.adapters import adapters
from support.deployer import spec
from support.golden_events import NOW

IRIS, ABALONE = ServingName("default", "iris"), ServingName("team-1", "abalone")
GRAVE = Tombstone[ServingDocument](deleted_at=NOW, announced=True)


def document(serving: ServingName, generation: int = 1) -> ServingDocument:
    return ServingDocument(
        namespace=serving.namespace,
        name=serving.name,
        spec=spec("v1"),
        status=ServingStatus(),
        generation=generation,
        created_at=NOW,
        updated_at=NOW,
    )


@asynccontextmanager
async def in_memory(_request: pytest.FixtureRequest) -> AsyncIterator[CopyStore]:
    yield InMemoryCopies()


@asynccontextmanager
async def in_files(request: pytest.FixtureRequest) -> AsyncIterator[CopyStore]:
    yield FileCopies(request.getfixturevalue("tmp_path") / "servings")


@asynccontextmanager
async def on_cluster(request: pytest.FixtureRequest) -> AsyncIterator[CopyStore]:
    async with connected(request.getfixturevalue("kubeconfig")) as client:
        yield ClusterCopies(KubernetesApi(client), "default", ClusterOptions())


STORES = {"files": in_files, "memory": in_memory, "kubernetes": on_cluster}


@pytest.fixture(params=adapters(STORES))
async def copies(request: pytest.FixtureRequest) -> AsyncIterator[CopyStore]:
    async with STORES[request.param](request) as copies:
        yield copies


async def test_there_are_no_copies_at_first(copies: CopyStore) -> None:
    assert await copies.read() == {}
    await copies.remove(IRIS)


async def test_documents_and_tombstones_are_read_back_as_they_were_written(copies: CopyStore) -> None:
    await copies.write(IRIS, document(IRIS))
    await copies.write(IRIS, document(IRIS, 2))
    await copies.write(ABALONE, GRAVE)
    assert await copies.read() == {IRIS: document(IRIS, 2), ABALONE: GRAVE}


async def test_a_removed_copy_is_gone(copies: CopyStore) -> None:
    await copies.write(IRIS, document(IRIS))
    await copies.write(ABALONE, document(ABALONE))
    await copies.remove(IRIS)
    assert await copies.read() == {ABALONE: document(ABALONE)}


async def test_a_damaged_copy_does_not_hide_the_others(tmp_path: Path) -> None:
    copies = FileCopies(tmp_path)
    await copies.write(IRIS, document(IRIS))
    (tmp_path / "default.broken.json").write_text("{")
    assert await copies.read() == {IRIS: document(IRIS)}


@contextmanager
def no_room() -> Iterator[None]:
    """Simulate a full disk: no file may grow beyond a few bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


async def test_a_failed_write_keeps_the_previous_copy(tmp_path: Path) -> None:
    copies = FileCopies(tmp_path)
    await copies.write(IRIS, document(IRIS))
    with no_room(), pytest.raises(OSError, match="File too large"):
        await copies.write(IRIS, document(IRIS, 2))
    assert await copies.read() == {IRIS: document(IRIS)}
    assert _files(tmp_path) == ["default.iris.json"]


def _files(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def test_a_cluster_that_does_not_respond_has_no_empty_listing() -> None:
    copies = ClusterCopies(KubernetesApi(), "default", ClusterOptions())
    with pytest.raises(TransientError):
        await copies.read()
    with pytest.raises(OSError, match="not connected to a cluster"):
        await copies.write(IRIS, document(IRIS))
    with pytest.raises(OSError, match="not connected to a cluster"):
        await copies.remove(IRIS)


@pytest.mark.api_server
async def test_a_damaged_config_map_does_not_hide_the_others(kubeconfig: Path) -> None:
    async with connected(kubeconfig) as client:
        copies = ClusterCopies(KubernetesApi(client), "default", ClusterOptions())
        for serving in (IRIS, ABALONE):
            await copies.write(serving, document(serving))
        core = CoreV1Api(client)
        listed = (await core.list_namespaced_config_map("default", label_selector="klever.dev/platform")).items
        damaged = next(each.metadata.name for each in listed if each.data["serving"] == str(ABALONE))
        await core.patch_namespaced_config_map(damaged, "default", {"data": {"copy.json": "{"}})
        assert await copies.read() == {IRIS: document(IRIS)}
        for serving in (IRIS, ABALONE):
            await copies.remove(serving)
        assert await copies.read() == {}
