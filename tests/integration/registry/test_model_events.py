"""The events about pushes, deletions and jobs for the rest of the platform."""

import asyncio
import json

import pytest

from kleverproto.documents import Problem
from kleverproto.envelope import Event, EventSource
from kleverproto.jobs import JobCompleted, JobFailed, JobKind, JobResult, JobSpec
from kleverproto.models import ExtractionPhase, ModelDeleted, ModelPushed
from kleverproto.references import ModelRef
from support import foreign_artifacts as foreign
from support import oci_artifacts as oci
from support.bucket_contents import stored_in
from support.golden_events import SCAN, SIGNATURE
from support.oci_artifacts import OciClient
from support.registry_service import Platform
from support.waiting import eventually

MODEL, NEWER = oci.model(), oci.model(b"newer weights")
SIGNATURES = "application/vnd.klever.signature.v1+json"
JOBRUNNER = EventSource("jobrunner")


def job(ref: str, digest: str, registry: OciClient) -> JobSpec:
    return JobSpec(
        kind=JobKind.EXTRACT, ref=ModelRef.parse(ref), digest=digest, registry=registry.address, format="ONNX"
    )


def completed(spec: JobSpec, event_id: str = "completed-1") -> Event[JobCompleted]:
    return JOBRUNNER.event(
        JobCompleted(id="job-1", spec=spec, result=JobResult(signature=SIGNATURE)), event_id=event_id
    )


async def referrers(registry: OciClient, digest: str) -> list[str]:
    path = f"/v2/library/iris/referrers/{digest}"
    answer = await registry.request("GET", path, params={"artifactType": SIGNATURES})
    return [each["digest"] for each in answer.json["manifests"]]


async def test_a_push_is_one_event_and_one_document(registry: OciClient, world: Platform) -> None:
    await registry.push("library/iris", "v1", MODEL)
    document = await world.settled("library/iris:v1", MODEL.digest)
    assert (document.generation, document.spec.metadata.format, document.spec.registry) == (
        1,
        "ONNX",
        registry.address,
    )
    (event,) = await world.events()
    assert event.data == ModelPushed(
        ref=document.spec.ref, digest=MODEL.digest, registry=registry.address, format="ONNX", size=7
    )


async def test_a_repeated_push_is_no_event_and_a_new_digest_is_one(registry: OciClient, world: Platform) -> None:
    for artifact in (MODEL, MODEL, NEWER, MODEL):
        await registry.push("library/iris", "v1", artifact)
    await world.wait_for("pushed", 3)
    document = await world.settled("library/iris:v1", MODEL.digest)
    assert document.generation == 3
    assert [entry.digest for entry in document.status.history] == [MODEL.digest, NEWER.digest, MODEL.digest]
    assert [event.data.digest for event in await world.events()] == [MODEL.digest, NEWER.digest, MODEL.digest]


async def test_concurrent_pushes_are_one_event_each(registry: OciClient, world: Platform) -> None:
    tags = [f"v{number}" for number in range(20)]
    await asyncio.gather(*(registry.push("library/iris", tag, MODEL) for tag in tags))
    events = await world.wait_for("pushed", 20)
    assert sorted(event.data.ref.version for event in events) == sorted(tags)


async def test_a_model_of_the_go_ormb_is_described_from_its_config(registry: OciClient, world: Platform) -> None:
    model = foreign.ormb_v1alpha1(labels={"team": "a"})
    await registry.push("library/old", "v1", model, media_type=oci.OCI_MANIFEST)
    document = await world.settled("library/old:v1", model.digest)
    assert (document.spec.metadata.author, document.spec.metadata.format) == ("Ada", "ONNX")
    assert document.spec.metadata.labels == {"team": "a"}


async def test_an_artifact_that_is_not_a_model_is_no_event(registry: OciClient, world: Platform) -> None:
    image, about = oci.image(), oci.referrer(MODEL, oci.MODEL)
    await registry.push("library/iris", MODEL.digest, MODEL)
    await registry.push("library/iris", "image", image)
    await registry.push("library/iris", "about", about)
    await registry.push("library/iris", "index", oci.index(image))
    await registry.push("library/iris", "v1", MODEL)
    await world.settled("library/iris:v1", MODEL.digest)
    assert [event.data.ref.version for event in await world.events()] == ["v1"]
    assert [stored.document.spec.ref.version for stored in await stored_in(world.documents)] == ["v1"]


@pytest.mark.parametrize("reference", ["v1", MODEL.digest])
async def test_a_deletion_is_announced_and_the_tag_can_be_pushed_again(
    registry: OciClient, world: Platform, reference: str
) -> None:
    ref = ModelRef.parse("library/iris:v1")
    await registry.push("library/iris", "v1", MODEL)
    await world.settled(str(ref), MODEL.digest)
    assert (await registry.request("DELETE", f"/v2/library/iris/manifests/{reference}")).status == 202
    (deleted,) = await world.wait_for("deleted", 1)
    assert deleted.data == ModelDeleted(ref=ref, digest=MODEL.digest)

    async def is_gone() -> bool:
        return await world.document(str(ref)) is None

    await eventually(is_gone)
    await registry.push("library/iris", "v1", MODEL)
    await world.wait_for("pushed", 2)


async def test_an_image_pushed_over_a_model_deletes_the_model(registry: OciClient, world: Platform) -> None:
    await registry.push("library/iris", "v1", MODEL)
    await world.settled("library/iris:v1", MODEL.digest)
    await registry.push("library/iris", "v1", oci.image())
    await world.wait_for("deleted", 1)


async def test_a_signature_reaches_the_registry_and_every_version_with_these_bytes(
    registry: OciClient, world: Platform
) -> None:
    for tag, artifact in (("v1", MODEL), ("v2", MODEL), ("v3", NEWER)):
        await registry.push("library/iris", tag, artifact)
        await world.settled(f"library/iris:{tag}", artifact.digest)
    await world.publish(completed(job("library/iris:v1", MODEL.digest, registry)))
    updated = await world.wait_for("updated", 2)
    assert [(event.data.ref.version, event.data.extraction) for event in updated] == [
        ("v1", "Succeeded"),
        ("v2", "Succeeded"),
    ]
    assert {event.causation_id for event in updated} == {"completed-1"}
    (referrer,) = await referrers(registry, MODEL.digest)
    for tag in ("v1", "v2"):
        document = await world.document(f"library/iris:{tag}")
        assert document is not None
        assert (document.status.signature, document.status.signature_digest) == (SIGNATURE, referrer)
        assert (document.status.job_id, document.generation) == ("job-1", 1)
    other = await world.document("library/iris:v3")
    assert other is not None
    assert other.status.extraction is ExtractionPhase.PENDING


async def test_a_rebuilt_catalogue_holds_its_models_and_signatures(registry: OciClient, world: Platform) -> None:
    await registry.push("library/iris", "v1", MODEL)
    await world.settled("library/iris:v1", MODEL.digest)
    await world.publish(completed(job("library/iris:v1", MODEL.digest, registry)))
    await world.wait_for("updated", 1)
    before = await world.document("library/iris:v1")
    answer = await registry.request("POST", "/catalogue/rebuild")
    assert (answer.status, answer.json) == (202, {"versions": 1})
    await world.wait_for("pushed", 2)
    after = await world.settled("library/iris:v1", MODEL.digest)
    assert before is not None
    assert after.created_at > before.created_at
    assert (after.spec, after.status.signature) == (before.spec, SIGNATURE)
    assert after.status.extraction is ExtractionPhase.SUCCEEDED


async def test_the_attached_signature_can_be_pulled_like_any_artifact(registry: OciClient, world: Platform) -> None:
    await registry.push("library/iris", "v1", MODEL)
    await world.settled("library/iris:v1", MODEL.digest)
    await world.publish(completed(job("library/iris:v1", MODEL.digest, registry)))
    await world.wait_for("updated", 1)
    (referrer,) = await referrers(registry, MODEL.digest)
    manifest = (await registry.request("GET", f"/v2/library/iris/manifests/{referrer}")).json
    assert manifest["subject"]["digest"] == MODEL.digest
    blob = await registry.request("GET", f"/v2/library/iris/blobs/{manifest['layers'][0]['digest']}")
    assert json.loads(blob.body)["inputs"][0]["name"] == SIGNATURE.inputs[0].name


async def test_a_repeated_outcome_changes_nothing(registry: OciClient, world: Platform) -> None:
    await registry.push("library/iris", "v1", MODEL)
    await world.settled("library/iris:v1", MODEL.digest)
    spec = job("library/iris:v1", MODEL.digest, registry)
    await world.publish(completed(spec))
    (first,) = await world.wait_for("updated", 1)
    before = await world.document("library/iris:v1")
    await world.publish(completed(spec, "completed-2"))
    _, second = await world.wait_for("updated", 2)
    assert (first.causation_id, second.causation_id) == ("completed-1", "completed-2")
    after = await world.document("library/iris:v1")
    assert before is not None
    assert after is not None
    outcome = after.status.extracted_by
    assert outcome is not None
    assert outcome.event_id == "completed-2"
    status = before.status.model_copy(update={"extracted_by": outcome})
    assert after == before.model_copy(update={"status": status})
    assert len(await referrers(registry, MODEL.digest)) == 1


async def test_a_new_tag_of_a_parsed_model_has_its_signature_at_once(registry: OciClient, world: Platform) -> None:
    await registry.push("library/iris", "v1", MODEL)
    await world.settled("library/iris:v1", MODEL.digest)
    await world.publish(completed(job("library/iris:v1", MODEL.digest, registry)))
    await world.wait_for("updated", 1)
    await registry.push("library/iris", "v2", MODEL)
    document = await world.settled("library/iris:v2", MODEL.digest)
    assert (document.status.extraction, document.status.signature) == (ExtractionPhase.SUCCEEDED, SIGNATURE)


async def test_a_model_that_cannot_be_parsed_has_a_reason(registry: OciClient, world: Platform) -> None:
    await registry.push("library/iris", "v1", MODEL)
    await world.settled("library/iris:v1", MODEL.digest)
    problem = Problem(code="invalid_model", message="model.onnx is truncated: push the model again.")
    failed = JobFailed(id="job-1", spec=job("library/iris:v1", MODEL.digest, registry), problem=problem)
    await world.publish(JOBRUNNER.event(failed, event_id="failed-1"))
    (updated,) = await world.wait_for("updated", 1)
    assert (updated.data.extraction, updated.data.problem) == (ExtractionPhase.FAILED, problem)
    document = await world.document("library/iris:v1")
    assert document is not None
    assert (document.status.problem, document.status.signature) == (problem, None)
    assert await referrers(registry, MODEL.digest) == []


async def test_findings_of_a_scan_are_announced_and_stored(registry: OciClient, world: Platform) -> None:
    await registry.push("library/iris", "v1", MODEL)
    await world.settled("library/iris:v1", MODEL.digest)
    spec = job("library/iris:v1", MODEL.digest, registry).model_copy(update={"kind": JobKind.SCAN})
    done = JobCompleted(id="job-2", spec=spec, result=JobResult(scan=SCAN))
    await world.publish(JOBRUNNER.event(done, event_id="scanned-1"))
    (updated,) = await world.wait_for("updated", 1)
    assert (updated.data.scan, updated.data.extraction) == (SCAN, ExtractionPhase.PENDING)
    document = await world.document("library/iris:v1")
    assert document is not None
    assert document.status.scan == SCAN


async def test_a_signature_of_a_deleted_model_is_dropped(registry: OciClient, world: Platform) -> None:
    await world.publish(completed(job("library/iris:v1", NEWER.digest, registry)))
    await registry.push("library/iris", "v1", MODEL)
    await world.settled("library/iris:v1", MODEL.digest)
    assert await world.events("updated") == []
    assert await referrers(registry, NEWER.digest) == []


async def test_an_image_with_a_model_and_an_index_of_one_are_versions(registry: OciClient, world: Platform) -> None:
    image = foreign.modelcar()
    await registry.push("library/car", "v1", image, media_type=oci.OCI_MANIFEST)
    document = await world.settled("library/car:v1", image.digest)
    assert document.spec.artifact_type == "application/vnd.oci.image.config.v1+json"
    await registry.push("library/iris", MODEL.digest, MODEL)
    index = oci.index(MODEL)
    await registry.push("library/iris", "all", index)
    document = await world.settled("library/iris:all", index.digest)
    assert document.spec.metadata.format == "ONNX"
