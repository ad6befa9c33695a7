"""Outcomes of jobs, in any order and on any state of the disk."""

from pathlib import Path

import pytest

from klever_registry.domain.catalogue import AttachedSignature
from klever_registry.errors import StorageFullError
from klever_registry.service.extraction import Extractions
from klever_registry.service.signatures import Signatures
from kleverproto.documents import Intent
from kleverproto.envelope import EventSource
from kleverproto.jobs import JobCompleted, JobFailed, JobKind, JobResult, JobSpec
from kleverproto.models import ExtractionPhase, ModelStatus
from kleverproto.references import ModelRef
from kleverproto.signatures import Signature
from support import oci_artifacts as oci
from support.golden_events import PROBLEM, SIGNATURE
from support.registry_units import ADDRESS, REPOSITORY, RegistryUnits

MODEL = oci.model()
SPEC = JobSpec(kind=JobKind.EXTRACT, ref=ModelRef.parse(f"{REPOSITORY}:v1"), digest=MODEL.digest, registry=ADDRESS)
JOBRUNNER = EventSource("jobrunner")


class FullDisk(Signatures):
    """Signatures on a full disk."""

    async def attach(self, repository: str, digest: str, signature: Signature) -> AttachedSignature | None:
        raise StorageFullError(f"the registry cannot store {signature} of {digest} in {repository}: the disk is full")


class World:
    """A registry with one model, and the outcomes of its jobs."""

    def __init__(self, home: Path) -> None:
        self.units = RegistryUnits(home)
        self.extractions = self.over(Signatures)

    def over(self, signatures: type[Signatures]) -> Extractions:
        store = signatures(blobs=self.units.blobs, manifests=self.units.manifests)
        push_to_servable = self.units.push_to_servable
        return Extractions(records=self.units.records, signatures=store, external={}, push_to_servable=push_to_servable)

    async def completed(self, sequence: int) -> ModelStatus:
        data = JobCompleted(id="job", spec=SPEC, result=JobResult(signature=SIGNATURE))
        await self.extractions.record_result(JOBRUNNER.event(data, event_id=f"event-{sequence}"), _intent(sequence))
        return await self.status()

    async def failed(self, sequence: int) -> ModelStatus:
        data = JobFailed(id="job", spec=SPEC, problem=PROBLEM)
        await self.extractions.record_failure(JOBRUNNER.event(data, event_id=f"event-{sequence}"), _intent(sequence))
        return await self.status()

    async def status(self) -> ModelStatus:
        document = await self.units.document("v1")
        assert document is not None
        return document.status


def _intent(sequence: int) -> Intent:
    return Intent(sequence=sequence, event_id=f"event-{sequence}", correlation_id="push")


@pytest.fixture
async def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    await world.units.push("v1", MODEL)
    await world.units.work()
    return world


async def test_a_failure_handled_after_a_later_success_changes_nothing(world: World) -> None:
    await world.completed(2)
    status = await world.failed(1)
    assert (status.extraction, status.signature, status.problem) == (ExtractionPhase.SUCCEEDED, SIGNATURE, None)


async def test_a_later_failure_replaces_a_success(world: World) -> None:
    await world.completed(1)
    status = await world.failed(2)
    assert (status.extraction, status.signature, status.problem) == (ExtractionPhase.FAILED, None, PROBLEM)


async def test_a_signature_is_in_the_catalogue_even_if_the_disk_is_full(world: World) -> None:
    world.extractions = world.over(FullDisk)
    status = await world.completed(1)
    assert (status.extraction, status.signature) == (ExtractionPhase.SUCCEEDED, SIGNATURE)
    assert status.signature_digest is None
    assert world.units.publisher.names() == ["ModelPushed", "ModelUpdated"]


async def test_the_time_from_push_to_servable_is_measured_once_for_each_push(world: World) -> None:
    def measured(result: str) -> float | None:
        return world.units.metrics.get_sample_value("klever_push_to_servable_seconds_count", {"result": result})

    await world.completed(1)
    await world.completed(1)  # redelivered
    await world.completed(2)
    assert measured("succeeded") == 1
    assert measured("failed") is None
