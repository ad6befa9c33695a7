"""The real service keeps its data when NATS or its own disk has lost them, and reports the loss meanwhile."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kleverproto.envelope import EventSource
from kleverproto.jobs import JobCompleted, JobKind, JobResult, JobSpec
from kleverproto.models import ExtractionPhase
from kleverproto.projects import OnUnsafe, ProjectDocument, ProjectPolicy, ProjectPolicyRequested
from kleverproto.references import ModelRef
from support import oci_artifacts as oci
from support.bucket_contents import stored_in
from support.golden_events import SCAN, SIGNATURE
from support.nats_server import NatsServer
from support.oci_artifacts import OciClient
from support.registry_service import Platform, RegistryProcess, oci_client, platform, ready
from support.waiting import eventually

MODEL, NEWER = oci.model(), oci.model(b"newer weights")
WARN, BLOCK = (ProjectPolicy(scan=scan) for scan in (OnUnsafe.WARN, OnUnsafe.BLOCK))


@pytest.fixture
def service(own_nats: NatsServer, tmp_path: Path) -> Iterator[RegistryProcess]:
    with RegistryProcess(tmp_path, own_nats.url, reconcile_seconds="0.2") as process:
        yield process


async def problem(client: OciClient, name: str) -> str:
    reason: str | None = (await client.request("GET", "/readyz")).json["problems"].get(name)
    assert reason
    return reason


async def change_policy(world: Platform, policy: ProjectPolicy, event_id: str) -> None:
    """Request a policy and wait until the project has it."""

    async def published() -> bool:
        data = ProjectPolicyRequested(project="library", policy=policy)
        await world.publish(EventSource("gateway").event(data, event_id=event_id))
        return True

    await eventually(published, within=20)
    await policy_is(world, policy)


async def policy_is(world: Platform, policy: ProjectPolicy) -> ProjectDocument:
    async def stored_policy() -> ProjectDocument | None:
        stored = await world.projects.get("library")
        return stored.document if stored and stored.document.spec.policy == policy else None

    document = await eventually(stored_policy, within=20)
    assert document is not None
    return document


async def parsed(world: Platform, address: str, event_id: str) -> None:
    spec = JobSpec(
        kind=JobKind.EXTRACT,
        ref=ModelRef.parse("library/iris:v1"),
        digest=MODEL.digest,
        registry=address,
        format="ONNX",
    )
    done = JobCompleted(id="job-1", spec=spec, result=JobResult(signature=SIGNATURE, scan=SCAN))
    await world.publish(EventSource("jobrunner").event(done, event_id=event_id))

    async def is_known() -> bool:
        document = await world.document("library/iris:v1")
        return document is not None and document.status.scan == SCAN

    await eventually(is_known, within=20)


async def test_models_signatures_and_policies_survive_the_loss_of_the_event_store(
    service: RegistryProcess, own_nats: NatsServer
) -> None:
    async with oci_client(service.address) as client, platform(own_nats.url) as world:
        await ready(client)
        await world.push(client, "library/iris:v1", MODEL)
        await parsed(world, service.address, "parsed")
        await change_policy(world, WARN, "warn")
        own_nats.lose_store()
        await client.push("library/iris", "v2", NEWER)
        document = await world.settled("library/iris:v1", MODEL.digest)
        assert (document.status.extraction, document.status.signature) == (ExtractionPhase.SUCCEEDED, SIGNATURE)
        await world.settled("library/iris:v2", NEWER.digest)
        await policy_is(world, WARN)
        assert sorted(event.data.ref.version for event in await world.events("pushed")) == ["v1", "v2"]
        await parsed(world, service.address, "parsed again")  # the jobrunner does so after ModelPushed
        await change_policy(world, BLOCK, "block")
        await ready(client)


async def test_an_event_store_that_is_lost_during_downtime_is_restored(
    service: RegistryProcess, own_nats: NatsServer
) -> None:
    async with oci_client(service.address) as client, platform(own_nats.url) as world:
        await ready(client)
        await world.push(client, "library/iris:v1", MODEL)
        await change_policy(world, WARN, "warn")
        service.kill()
        own_nats.lose_store()
        service.start()
        await world.settled("library/iris:v1", MODEL.digest)
        await policy_is(world, WARN)


async def test_an_event_store_from_a_backup_is_updated_and_deletes_nothing(
    service: RegistryProcess, own_nats: NatsServer
) -> None:
    async with oci_client(service.address) as client, platform(own_nats.url) as world:
        await ready(client)
        await world.push(client, "library/iris:v1", MODEL)
        await change_policy(world, WARN, "warn")
        backup = own_nats.save_store()
        await ready(client)
        await change_policy(world, BLOCK, "block")
        await world.push(client, "library/iris:v1", NEWER)
        await world.push(client, "library/iris:v2", MODEL)
        await client.request("DELETE", "/v2/library/iris/manifests/v2")
        await world.wait_for("deleted", 1)
        await world.push(client, "library/iris:v3", MODEL)
        await ready(client)
        own_nats.restore_store(backup)
        await world.settled("library/iris:v3", MODEL.digest)
        await world.settled("library/iris:v1", NEWER.digest)
        await policy_is(world, BLOCK)
        await change_policy(world, WARN, "warn again")
        assert await world.events("deleted") == []
        await ready(client)


async def test_lost_blobs_keep_models_in_the_catalogue_and_return_with_a_backup(
    service: RegistryProcess, own_nats: NatsServer, tmp_path: Path
) -> None:
    repositories = service.data_dir / "repositories"
    async with oci_client(service.address) as client, platform(own_nats.url) as world:
        await ready(client)
        for tag in ("v1", "v2"):
            await world.push(client, f"library/iris:{tag}", MODEL)
        shutil.move(repositories, tmp_path / "backup")
        assert "2 of 2 models" in await eventually(lambda: problem(client, "models"))
        service.stop()
        service.start()
        assert "2 of 2 models" in await eventually(lambda: problem(client, "models"))
        assert len(await stored_in(world.documents)) == 2
        shutil.move(tmp_path / "backup", repositories)
        await ready(client)
        assert (await client.request("GET", "/v2/library/iris/manifests/v1")).status == 200
        assert await world.events("deleted") == []


async def test_a_replaced_data_directory_is_neither_read_nor_written(
    service: RegistryProcess, own_nats: NatsServer, tmp_path: Path
) -> None:
    async with oci_client(service.address) as client, platform(own_nats.url) as world:
        await ready(client)
        await world.push(client, "library/iris:v1", MODEL)
        shutil.move(service.data_dir, tmp_path / "mounted")
        service.data_dir.mkdir()
        assert "mount the original directory again" in await eventually(lambda: problem(client, "storage"))
        for method, path in (("GET", "manifests/v1"), ("POST", "blobs/uploads/")):
            answer = await client.request(method, f"/v2/library/iris/{path}")
            assert (answer.status, answer.json["errors"][0]["code"]) == (503, "UNAVAILABLE")
        assert list(service.data_dir.rglob("pool")) == []
        shutil.rmtree(service.data_dir)
        shutil.move(tmp_path / "mounted", service.data_dir)
        await ready(client)
        await world.push(client, "library/iris:v2", MODEL)
        assert await world.events("deleted") == []


async def test_a_damaged_index_keeps_its_models_and_is_an_error_to_clients(
    service: RegistryProcess, own_nats: NatsServer
) -> None:
    index = service.data_dir / "repositories/library/iris/_oci/index.json"
    async with oci_client(service.address) as client, platform(own_nats.url) as world:
        await ready(client)
        await world.push(client, "library/iris:v1", MODEL)
        await world.push(client, "library/other:v1", MODEL)
        whole = index.read_bytes()
        index.write_bytes(whole[: len(whole) // 2])
        answer = await client.request("GET", "/v2/library/iris/manifests/v1")
        assert answer.status == 503
        assert "restore the registry's data directory" in answer.json["errors"][0]["message"]
        await client.request("DELETE", "/v2/library/other/manifests/v1")
        await world.wait_for("deleted", 1)
        rebuilt = await client.request("POST", "/catalogue/rebuild")
        assert rebuilt.status == 503
        assert await world.document("library/iris:v1") is not None
        index.write_bytes(whole)
        assert (await client.request("GET", "/v2/library/iris/manifests/v1")).status == 200
