"""Conversions by the jobrunner: requested with an event, awaited in its bucket."""

import asyncio
import uuid

from klever_deployer.errors import CONVERSION_FAILED, ServingError
from klever_deployer.ports import OnStep
from kleverkit.documents import Buried, Documents, Stored
from kleverkit.publisher import EventPublisher
from kleverproto import subjects
from kleverproto.conversions import Conversion, ConvertedModel
from kleverproto.envelope import EventSource
from kleverproto.job_ids import job_id
from kleverproto.jobs import JobDocument, JobKind, JobRequested, JobSpec
from kleverproto.models import ModelDocument
from kleverproto.references import ModelRef
from modelconversion.planner import reachable

POLL_SECONDS = 0.2
ANSWER_SECONDS = 15.0
"""Time in which a running jobrunner accepts a job; after that, the request is published again."""
UNKNOWN = "unknown"
"""A placeholder for the registry where only the id of a job is needed, which does not depend on it."""

Job = Stored[JobDocument] | Buried[JobDocument] | None


class JobConversions:
    """See `ports.Conversions`.

    Args:
        jobs: the jobrunner's documents.
        publisher: publishes requests.
        events: creates events.
        answer_seconds: time in which the jobrunner must accept a job before the request is published again.
    """

    def __init__(
        self,
        jobs: Documents[JobDocument],
        publisher: EventPublisher,
        events: EventSource,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._jobs = jobs
        self._publisher = publisher
        self._events = events
        self._answer_seconds = answer_seconds

    async def find(self, ref: ModelRef, digest: str, target: str) -> ConvertedModel | None:
        """See `Conversions`."""
        job = await self._read(job_id(_spec(ref, digest, UNKNOWN, None, target)))
        if isinstance(job, Stored) and job.document.status.result is not None:
            return job.document.status.result.converted
        return None

    async def make(
        self, model: ModelDocument, digest: str, model_format: str, target: str, on_step: OnStep
    ) -> ConvertedModel:
        """See `Conversions`. A job that has failed before is run again."""
        spec = _spec(model.spec.ref, digest, model.spec.registry, model_format, target)
        job = await self._run_job(spec, on_step)
        if job.status.result is not None and job.status.result.converted is not None:
            return job.status.result.converted
        problem = job.status.problem.message if job.status.problem else job.status.phase.value
        message = f"{model.spec.ref} could not be converted to {target}: {problem} (`klever jobs logs {job.id}`)"
        raise ServingError(message, code=CONVERSION_FAILED)

    def routes(self, model_format: str) -> tuple[str, ...]:
        """See `Conversions`."""
        return reachable(model_format)

    async def _run_job(self, spec: JobSpec, on_step: OnStep) -> JobDocument:
        """Request the job until it has ended, and return it; the bucket may lose it meanwhile."""
        identity = job_id(spec)
        before, event_id = await self._read(identity), str(uuid.uuid4())
        while True:
            await self._request(identity, spec, before, event_id)
            try:
                async with asyncio.timeout(self._answer_seconds) as waiting:
                    if (job := await self._wait_for_end(identity, before, waiting)) is not None:
                        return job
            except TimeoutError:
                await on_step(f"waiting for a jobrunner to accept conversion {identity}")
            if await self._read(identity) is None:
                before = None

    async def _request(self, identity: str, spec: JobSpec, before: Job, event_id: str) -> None:
        """Publish the request, always with the same event id: the stream drops duplicates."""
        again = isinstance(before, Stored) and before.document.status.phase.is_final
        request = JobRequested(id=identity, spec=spec, again=again)
        await self._publisher.publish(self._events.event(request, event_id=event_id))

    async def _wait_for_end(self, identity: str, before: Job, waiting: asyncio.Timeout) -> JobDocument | None:
        """Wait until the job has ended, and return it; None if the job was lost rather than deleted.

        Raises:
            ServingError: the job was deleted.
            TimeoutError: no jobrunner has accepted the job.
        """
        is_accepted = False
        while True:
            job = await self._read(identity)
            if isinstance(job, Buried) and _is_deleted_since(before, job):
                message = f"conversion {identity} was deleted before it completed: deploy again to run it"
                raise ServingError(message, code=CONVERSION_FAILED)
            if isinstance(job, Stored) and _is_requested_job(before, job):
                is_accepted = True
                waiting.reschedule(None)
                if job.document.status.phase.is_final:
                    return job.document
            if job is None and is_accepted:
                return None
            await asyncio.sleep(POLL_SECONDS)

    async def _read(self, identity: str) -> Job:
        return await self._jobs.find(subjects.escape(identity))


def _is_requested_job(before: Job, job: Stored[JobDocument]) -> bool:
    """Return whether this is the requested job, rather than an earlier one that had ended."""
    if isinstance(before, Stored) and before.document.status.phase.is_final:
        return job.document.generation > before.document.generation
    return True


def _is_deleted_since(before: Job, job: Buried[JobDocument]) -> bool:
    return not (isinstance(before, Buried) and before.tombstone.deleted_at == job.tombstone.deleted_at)


def _spec(ref: ModelRef, digest: str, registry: str, model_format: str | None, target: str) -> JobSpec:
    return JobSpec(
        kind=JobKind.CONVERT,
        ref=ref,
        digest=digest,
        registry=registry,
        format=model_format,
        conversion=Conversion(to=target),
    )
