"""The real service as a process: NATS down, restarts half way, and the repairs after them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kleverproto.references import ModelRef
from support import oci_artifacts as oci
from support.nats_server import NatsServer
from support.registry_service import RegistryProcess, oci_client, platform, ready
from support.waiting import eventually

MODEL, NEWER = oci.model(), oci.model(b"newer weights")
CONTENT = b"0123456789" * 1000


@pytest.fixture
def service(own_nats: NatsServer, tmp_path: Path) -> Iterator[RegistryProcess]:
    with RegistryProcess(tmp_path, own_nats.url, reconcile_seconds="0.2") as process:
        yield process


async def test_a_push_without_nats_succeeds_and_is_announced_once_when_nats_is_back(
    service: RegistryProcess, own_nats: NatsServer
) -> None:
    async with oci_client(service.address) as client:
        await ready(client)
        own_nats.kill()
        await client.push("library/iris", "v1", MODEL)
        own_nats.start()
        async with platform(own_nats.url) as world:
            document = await world.settled("library/iris:v1", MODEL.digest)
            assert document.generation == 1
            assert len(await world.events("pushed")) == 1


async def test_an_unannounced_push_is_found_after_a_crash(service: RegistryProcess, own_nats: NatsServer) -> None:
    async with oci_client(service.address) as client:
        await ready(client)
        own_nats.kill()
        await client.push("library/iris", "v1", MODEL)
        service.kill()
        own_nats.start()
        service.start()
        async with platform(own_nats.url) as world:
            await world.settled("library/iris:v1", MODEL.digest)
            assert [event.data.digest for event in await world.events()] == [MODEL.digest]


async def test_an_unannounced_deletion_is_announced_after_a_crash(
    service: RegistryProcess, own_nats: NatsServer
) -> None:
    async with oci_client(service.address) as client, platform(own_nats.url) as world:
        await ready(client)
        await world.push(client, "library/iris:v1", MODEL)
        own_nats.kill()
        await client.request("DELETE", "/v2/library/iris/manifests/v1")
        service.kill()
        own_nats.start()
        service.start()
        assert [event.data.digest for event in await world.wait_for("deleted", 1, within=20)] == [MODEL.digest]


async def test_a_generation_that_was_not_marked_as_announced_is_published_again(
    service: RegistryProcess, own_nats: NatsServer
) -> None:
    async with oci_client(service.address) as client, platform(own_nats.url) as world:
        await ready(client)
        document = await world.push(client, "library/iris:v1", MODEL)
        service.kill()
        stored = await world.documents.get(ModelRef.parse("library/iris:v1").key)
        assert stored is not None
        forgotten = document.status.model_copy(update={"announced_generation": 0})
        before = document.model_copy(update={"status": forgotten})
        await world.documents.update(stored.key, before, stored.revision)
        service.start()
        await world.settled("library/iris:v1", MODEL.digest)
        assert len(await world.events("pushed")) == 1  # the second one had the same id


async def test_an_upload_resumes_after_the_service_was_killed(service: RegistryProcess) -> None:
    async with oci_client(service.address) as client:
        await ready(client)
        location = await client.begin("library/iris")
        half = len(CONTENT) // 2
        await client.request("PATCH", location, data=CONTENT[:half])
        service.kill()
        service.start()
        status = await client.request("GET", location)
        assert (status.status, status.headers["Range"]) == (204, f"0-{half - 1}")
        rest = {"Content-Range": f"{half}-{len(CONTENT) - 1}"}
        await client.request("PATCH", location, data=CONTENT[half:], headers=rest)
        done = await client.request("PUT", location, params={"digest": oci.sha256(CONTENT)})
        assert done.status == 201
        blob = await client.request("GET", f"/v2/library/iris/blobs/{oci.sha256(CONTENT)}")
        assert blob.body == CONTENT


async def test_reconciliation_does_not_announce_pushes_again(service: RegistryProcess, own_nats: NatsServer) -> None:
    async with oci_client(service.address) as client, platform(own_nats.url) as world:
        await ready(client)
        await world.push(client, "library/iris:v1", MODEL)
        service.stop()
        service.start()
        await ready(client)
        await world.push(client, "library/iris:v2", NEWER)

        async def versions() -> list[str]:
            return [event.data.ref.version for event in await world.events()]

        assert await eventually(versions) == ["v1", "v2"]
