"""Waiting for a conversion whose job is deleted, lost, or not started."""

import asyncio
from dataclasses import dataclass, field

import pytest

from klever_deployer.adapters.conversions import JobConversions
from klever_deployer.errors import ServingError
from kleverkit.documents import NEVER, Buried, Stored
from kleverkit.memory_documents import InMemoryDocuments
from kleverkit.publisher import RecordingPublisher
from kleverproto.conversions import ConversionRecord, ConvertedModel, Verification
from kleverproto.documents import Tombstone
from kleverproto.envelope import EventSource
from kleverproto.jobs import JobDocument, JobPhase, JobResult, JobSpec, JobStatus
from support.deployer import digest, model_document
from support.golden_events import JOB_SPEC, NOW, REF, REGISTRY
from support.waiting import eventually

MODEL = model_document(str(REF), digest("v1"))
RECORD = ConversionRecord(
    source_format="Caffe", target_format="ONNX", steps=(), verification=Verification(verified=True), seconds=0.1
)
MADE = ConvertedModel(ref=REF, digest=digest("onnx"), registry=REGISTRY, record=RECORD)


@dataclass
class Waiting:
    """A deployer that waits for a conversion, and the jobrunner's side of it."""

    jobs: InMemoryDocuments[JobDocument] = field(default_factory=InMemoryDocuments)
    publisher: RecordingPublisher = field(default_factory=RecordingPublisher)
    steps: list[str] = field(default_factory=list)
    answer_seconds: float = 60.0

    def begin(self) -> "asyncio.Task[ConvertedModel]":
        conversions = JobConversions(self.jobs, self.publisher, EventSource("deployer"), self.answer_seconds)
        return asyncio.create_task(conversions.make(MODEL, digest("v1"), "Caffe", "ONNX", self._on_step))

    async def _on_step(self, step: str) -> None:
        self.steps.append(step)

    async def requested_job(self, times: int = 1) -> str:
        """Return the id of the requested job."""

        async def are_published() -> bool:
            return len(self.publisher.events) >= times

        assert await eventually(are_published)
        identity = self.publisher.data()[-1].id
        assert isinstance(identity, str)
        return identity

    async def becomes(self, identity: str, phase: JobPhase, *, generation: int = 1) -> None:
        result = JobResult(converted=MADE) if phase is JobPhase.SUCCEEDED else None
        document = _job(identity, JOB_SPEC, JobStatus(phase=phase, result=result), generation)
        present = await self.jobs.find(identity)
        await self.jobs.update(identity, document, present.revision if present else NEVER)

    async def is_deleted(self, identity: str) -> None:
        present = await self.jobs.find(identity)
        tombstone = Tombstone[JobDocument](deleted_at=NOW, announced=True)
        await self.jobs.bury(identity, tombstone, present.revision if present else NEVER)


def _job(identity: str, spec: JobSpec, status: JobStatus, generation: int) -> JobDocument:
    return JobDocument(id=identity, spec=spec, status=status, generation=generation, created_at=NOW, updated_at=NOW)


async def test_the_result_of_a_job_is_returned() -> None:
    waiting = Waiting()
    made = waiting.begin()
    identity = await waiting.requested_job()
    await waiting.becomes(identity, JobPhase.RUNNING)
    await waiting.becomes(identity, JobPhase.SUCCEEDED)
    assert await made == MADE
    assert waiting.steps == []


@pytest.mark.parametrize("taken_up", [True, False], ids=["while it runs", "before it begins"])
async def test_a_deleted_job_ends_the_wait(*, taken_up: bool) -> None:
    waiting = Waiting()
    made = waiting.begin()
    identity = await waiting.requested_job()
    if taken_up:
        await waiting.becomes(identity, JobPhase.RUNNING)
    await waiting.is_deleted(identity)
    with pytest.raises(ServingError, match="was deleted before it completed: deploy again") as caught:
        await made
    assert caught.value.code == "conversion_failed"


async def test_a_job_that_was_deleted_before_is_requested_again() -> None:
    waiting = Waiting()
    first = waiting.begin()
    identity = await waiting.requested_job()
    await waiting.is_deleted(identity)
    await asyncio.wait({first})
    again = waiting.begin()
    await waiting.requested_job(2)
    await waiting.becomes(identity, JobPhase.SUCCEEDED)
    assert await again == MADE


class Jobs(InMemoryDocuments[JobDocument]):
    """Knows whether a running job was read."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = asyncio.Event()

    async def find(self, key: str) -> Stored[JobDocument] | Buried[JobDocument] | None:
        present = await super().find(key)
        if isinstance(present, Stored) and present.document.status.phase is JobPhase.RUNNING:
            self.seen.set()
        return present


async def test_a_job_that_its_bucket_has_lost_is_requested_again() -> None:
    jobs = Jobs()
    waiting = Waiting(jobs)
    identity = await _failed(waiting, generation=3)
    made = waiting.begin()
    await waiting.requested_job(2)
    await waiting.becomes(identity, JobPhase.RUNNING, generation=4)
    await jobs.seen.wait()
    InMemoryDocuments.__init__(jobs)
    waiting.publisher.events.clear()  # the stream is lost too
    assert await waiting.requested_job() == identity
    await waiting.becomes(identity, JobPhase.SUCCEEDED)
    assert await made == MADE


async def _failed(waiting: Waiting, *, generation: int = 1) -> str:
    made = waiting.begin()
    identity = await waiting.requested_job()
    await waiting.becomes(identity, JobPhase.FAILED, generation=generation)
    with pytest.raises(ServingError):
        await made
    return identity


async def test_a_silent_jobrunner_is_shown_as_a_step_and_the_same_event_is_sent_again() -> None:
    waiting = Waiting(answer_seconds=0.01)
    made = waiting.begin()
    identity = await waiting.requested_job()

    async def has_steps() -> bool:
        return len(waiting.steps) >= 2

    assert await eventually(has_steps)
    assert waiting.steps[0] == f"waiting for a jobrunner to accept conversion {identity}"
    assert len(waiting.publisher.events) == 1  # a publisher drops known ids
    await waiting.becomes(identity, JobPhase.SUCCEEDED)
    assert await made == MADE


async def test_a_failed_job_is_retried_and_the_new_outcome_counts() -> None:
    waiting = Waiting()
    identity = await _failed(waiting)
    made = waiting.begin()
    await waiting.requested_job(2)
    assert waiting.publisher.data()[-1].again
    await waiting.becomes(identity, JobPhase.SUCCEEDED, generation=2)
    assert await made == MADE
