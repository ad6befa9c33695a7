"""The real service when NATS has lost the bucket of models, and nothing else: no push is announced twice."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from support import oci_artifacts as oci
from support.nats_server import NatsServer
from support.oci_artifacts import OciClient
from support.registry_service import Platform, RegistryProcess, oci_client, platform, ready

MODEL, NEWER = oci.model(), oci.model(b"newer weights")
VERSION = "library/iris:v1"


@pytest.fixture
def service(own_nats: NatsServer, tmp_path: Path) -> Iterator[RegistryProcess]:
    with RegistryProcess(tmp_path, own_nats.url, reconcile_seconds="0.2") as process:
        yield process


@pytest.fixture
async def registry(service: RegistryProcess) -> AsyncIterator[OciClient]:
    async with oci_client(service.address) as client:
        await ready(client)
        yield client


@pytest.fixture
async def world(own_nats: NatsServer, registry: OciClient) -> AsyncIterator[Platform]:
    """With a version that has moved away and back."""
    async with platform(own_nats.url) as view:
        for artifact in (MODEL, NEWER, MODEL):
            await view.push(registry, VERSION, artifact)
        yield view


async def digests(world: Platform) -> list[str]:
    return [event.data.digest for event in await world.events("pushed")]


async def test_a_bucket_that_a_running_registry_loses_is_restored_without_new_events(
    world: Platform, registry: OciClient
) -> None:
    before = await world.settled(VERSION, MODEL.digest)
    await world.lose_models()
    assert await world.settled(VERSION, MODEL.digest) == before
    await ready(registry)
    assert await digests(world) == [MODEL.digest, NEWER.digest, MODEL.digest]
    await world.lose_models()
    document = await world.push(registry, VERSION, NEWER)
    assert (document.created_at, document.generation) == (before.created_at, 4)
    assert await digests(world) == [MODEL.digest, NEWER.digest, MODEL.digest, NEWER.digest]


async def test_a_bucket_that_is_lost_while_the_registry_is_stopped_is_restored_without_new_events(
    world: Platform, registry: OciClient, service: RegistryProcess
) -> None:
    before = await world.settled(VERSION, MODEL.digest)
    service.stop()
    await world.lose_models()
    service.start()
    assert await world.settled(VERSION, MODEL.digest) == before
    assert await digests(world) == [MODEL.digest, NEWER.digest, MODEL.digest]
    await world.push(registry, VERSION, NEWER)
    await world.push(registry, VERSION, MODEL)
    assert await digests(world) == [MODEL.digest, NEWER.digest, MODEL.digest, NEWER.digest, MODEL.digest]


async def test_a_bucket_that_is_lost_with_its_stream_is_announced_again(world: Platform, registry: OciClient) -> None:
    before, events = await world.settled(VERSION, MODEL.digest), await world.events("pushed")
    await world.lose_models(with_events=True)
    after = await world.settled(VERSION, MODEL.digest)
    assert (after.created_at, after.generation, after.status.history) == (before.created_at, 3, before.status.history)
    assert [event.id for event in await world.events("pushed")] == [events[-1].id]
    await ready(registry)


async def test_a_deleted_version_is_not_restored(world: Platform, registry: OciClient) -> None:
    await registry.request("DELETE", "/v2/library/iris/manifests/v1")
    await world.wait_for("deleted", 1)
    await world.lose_models()
    await world.push(registry, "library/iris:v2", NEWER)
    await ready(registry)
    assert await world.document(VERSION) is None
    assert len(await world.events("deleted")) == 1
