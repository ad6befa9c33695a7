"""Models in CNCF distribution become part of the catalogue: by notifications, and by the scan if these are lost."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from kleverproto.documents import Tombstone
from kleverproto.envelope import EventSource
from kleverproto.jobs import JobCompleted, JobKind, JobResult, JobSpec
from kleverproto.models import ExtractionPhase, ModelPushed
from kleverproto.references import ModelRef
from ormb import OrmbClient, Reference
from support import oci_artifacts as oci
from support.foreign_artifacts import modelcar
from support.golden_events import SIGNATURE
from support.oci_artifacts import OciClient
from support.oci_registry import Endpoint, distribution
from support.processes import free_port
from support.registry_service import Platform, oci_client, platform, running_registry
from support.small_models import adder
from support.waiting import eventually

SECRET = "open-sesame"
REF = "team/adder:v1"


@pytest.fixture
def port() -> int:
    """The port on which Klever's registry receives notifications."""
    return free_port()


@pytest.fixture
def external(tmp_path: Path, port: int) -> Iterator[str]:
    """A registry that sends every notification to two endpoints, both of Klever."""
    headers = {"Authorization": [f"Bearer {SECRET}"]}
    url = f"http://127.0.0.1:{port}/webhooks/distribution"
    twice = [Endpoint(url=url, headers=headers, name=name) for name in ("first", "second")]
    directory = tmp_path / "external"
    directory.mkdir()
    with distribution(directory, *twice) as address:
        yield address


@pytest.fixture
async def world(nats_url: str) -> AsyncIterator[Platform]:
    async with platform(nats_url) as view:
        yield view


@pytest.fixture
async def klever(nats_url: str, tmp_path: Path, port: int, external: str) -> AsyncIterator[OciClient]:
    """Klever, with scans so rare that no test depends on one."""
    settings = {"port": port, "external_registries": external, "webhook_secret": SECRET}
    async with running_registry(tmp_path / "own", nats_url, external_scan_seconds=600, **settings) as client:
        yield client


async def push(tmp_path: Path, host: str, slope: int = 1, tag: str = "v1") -> str:
    async with OrmbClient(tmp_path / "ormb") as client:
        directory = tmp_path / f"adder-{slope}"
        if not directory.exists():
            adder(directory, slope)
        return (await client.push_directory(directory, Reference(host, "team/adder", tag))).digest


async def test_a_push_to_another_registry_that_is_notified_twice_is_one_event(
    klever: OciClient, external: str, world: Platform, tmp_path: Path
) -> None:
    digest = await push(tmp_path, external)
    document = await world.settled(REF, digest)
    newer = await push(tmp_path, external, 2)
    await world.settled(REF, newer)
    target = {"repository": "team/adder", "tag": "v1", "digest": digest}
    late = {"events": [{"action": "push", "target": target, "request": {"host": external}}]}
    headers = {"Authorization": SECRET}
    answer = await klever.request("POST", "/webhooks/distribution", data=json.dumps(late), headers=headers)
    assert answer.status == 202
    other = await push(tmp_path, external, 3, tag="v2")
    await world.settled("team/adder:v2", other)
    events = [event.data for event in await world.events("pushed")]
    assert [(event.registry, event.digest) for event in events] == [
        (external, digest),
        (external, newer),
        (external, other),
    ]
    assert isinstance(events[0], ModelPushed)
    assert document.spec.registry == external != klever.address


async def test_images_and_referrers_in_another_registry_are_no_event_and_a_deletion_is_one(
    klever: OciClient, external: str, world: Platform
) -> None:
    assert klever.address
    model = oci.model()
    async with oci_client(external) as client:
        await client.push("team/image", "v1", oci.image())
        await client.push("team/iris", "v1", model)
        await client.push("team/iris", "about", oci.referrer(model, oci.MODEL))
        await client.push("team/iris", "v2", oci.model(b"other"))
        await world.settled("team/iris:v1", model.digest)
        await world.settled("team/iris:v2", oci.model(b"other").digest)
        assert (await client.request("DELETE", f"/v2/team/iris/manifests/{model.digest}")).status == 202
    (deleted,) = await world.wait_for("deleted", 1)
    assert (deleted.data.ref, deleted.data.digest) == (ModelRef.parse("team/iris:v1"), model.digest)
    assert len(await world.events("pushed")) == 2


async def test_an_image_with_a_model_in_another_registry_is_a_version(
    klever: OciClient, external: str, world: Platform
) -> None:
    assert klever.address
    image = modelcar()
    async with oci_client(external) as client:
        await client.push("team/car", "v1", image, media_type=oci.OCI_MANIFEST)
        await world.settled("team/car:v1", image.digest)


async def test_a_signature_in_another_registry_is_found_after_the_catalogue_was_lost(
    klever: OciClient, external: str, world: Platform, tmp_path: Path
) -> None:
    digest = await push(tmp_path, external)
    ref = (await world.settled(REF, digest)).spec.ref
    spec = JobSpec(kind=JobKind.EXTRACT, ref=ref, digest=digest, registry=external, format="ONNX")
    done = JobCompleted(id="job-1", spec=spec, result=JobResult(signature=SIGNATURE))
    await world.publish(EventSource("jobrunner").event(done, event_id="completed-1"))
    await world.wait_for("updated", 1)
    before = await world.document(REF)
    assert before is not None
    stored = await world.documents.get(ref.key)
    assert stored is not None
    await world.documents.bury(ref.key, Tombstone(deleted_at=stored.document.updated_at), stored.revision)
    await push(tmp_path, external)
    after = await world.settled(REF, digest)
    assert (after.status.extraction, after.status.signature) == (ExtractionPhase.SUCCEEDED, SIGNATURE)
    assert after.status.signature_digest == before.status.signature_digest is not None
    assert klever.address


async def test_the_scan_finds_unnotified_pushes_and_deletions(
    nats_url: str, world: Platform, external: str, tmp_path: Path
) -> None:
    digest = await push(tmp_path, external)
    settings = {"external_registries": external, "external_scan_seconds": 0.2}
    async with running_registry(tmp_path / "own", nats_url, **settings), oci_client(external) as client:
        await world.settled(REF, digest)
        newer = await push(tmp_path, external, 2)
        await world.settled(REF, newer)
        await client.request("DELETE", f"/v2/team/adder/manifests/{newer}")
        await world.wait_for("deleted", 1)
    assert [event.data.digest for event in await world.events("pushed")] == [digest, newer]


async def test_a_version_in_the_embedded_registry_is_not_replaced_by_an_external_one(
    nats_url: str, world: Platform, external: str, tmp_path: Path
) -> None:
    settings = {"external_registries": external, "external_scan_seconds": 0.1, "reconcile_seconds": 0.1}
    async with running_registry(tmp_path / "own", nats_url, **settings) as klever:
        ours = await push(tmp_path, klever.address)
        await world.settled(REF, ours)
        await push(tmp_path, external, 2)
        other = await push(tmp_path, external, 3, tag="v2")
        await world.settled("team/adder:v2", other)
        document = await world.document(REF)
        assert document is not None
        assert (document.spec.registry, document.spec.digest) == (klever.address, ours)
    assert len(await world.events("pushed")) == 2


@pytest.mark.parametrize("kind", ["harbor", "distribution"])
async def test_a_notification_without_the_secret_is_refused(klever: OciClient, kind: str) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "\u00e9"}):
        answer = await klever.request("POST", f"/webhooks/{kind}", data=b'{"events": []}', headers=headers)
        assert (answer.status, answer.json["code"]) == (401, "wrong_secret")
        assert answer.headers["Content-Type"].startswith("application/problem+json")


async def test_harbors_notifications_are_accepted_and_unreadable_ones_refused(
    klever: OciClient, external: str, world: Platform
) -> None:
    headers = {"Authorization": SECRET}
    model = oci.model()
    resource = {"digest": model.digest, "tag": "v1", "resource_url": f"{external}/team/iris:v1"}
    hook = {
        "type": "PUSH_ARTIFACT",
        "event_data": {"resources": [resource], "repository": {"repo_full_name": "team/iris"}},
    }
    for kind in ("harbor", "distribution"):
        answer = await klever.request("POST", f"/webhooks/{kind}", data=b"{}", headers=headers)
        assert (answer.status, answer.json["code"]) == (400, "unknown_payload")
    async with oci_client(external) as client:
        await client.push("team/iris", "v1", model)
    answer = await klever.request("POST", "/webhooks/harbor", data=json.dumps(hook), headers=headers)
    assert answer.status == 202
    await eventually(lambda: world.events("pushed"))
    assert len(await world.events("pushed")) == 1
