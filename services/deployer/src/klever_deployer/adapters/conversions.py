"""Conversions by the jobrunner: asked for with an event, awaited in its bucket."""

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
"""A jobrunner that runs has taken a job up by then; one that does not is asked once more."""
UNKNOWN = "unknown"
"""Stands for a registry where only the id of a job is wanted, which does not depend on it."""

Job = Stored[JobDocument] | Buried[JobDocument] | None


class JobConversions:
    """See `ports.Conversions`.

    Args:
        jobs: the jobrunner's documents.
        publisher: stores requests.
        events: makes them.
        answer_seconds: how long the jobrunner may take to take a job up before it is asked again.
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
        """See `Conversions`. A job that has failed before is done again."""
        spec = _spec(model.spec.ref, digest, model.spec.registry, model_format, target)
        job = await self._done(spec, on_step)
        if job.status.result is not None and job.status.result.converted is not None:
            return job.status.result.converted
        problem = job.status.problem.message if job.status.problem else job.status.phase.value
        message = f"{model.spec.ref} could not be converted to {target}: {problem} (`klever jobs logs {job.id}`)"
        raise ServingError(message, code=CONVERSION_FAILED)

    def routes(self, model_format: str) -> tuple[str, ...]:
        """See `Conversions`."""
        return reachable(model_format)

    async def _done(self, spec: JobSpec, on_step: OnStep) -> JobDocument:
        """The job once it has ended. Where there is none, it is asked for; a bucket may have been lost meanwhile."""
        identity = job_id(spec)
        before, event_id = await self._read(identity), str(uuid.uuid4())
        while True:
            await self._ask(identity, spec, before, event_id)
            try:
                async with asyncio.timeout(self._answer_seconds) as waiting:
                    if (job := await self._ended(identity, before, waiting)) is not None:
                        return job
            except TimeoutError:
                await on_step(f"waiting for a jobrunner to take up conversion {identity}: none has answered yet")
            if await self._read(identity) is None:
                before = None

    async def _ask(self, identity: str, spec: JobSpec, before: Job, event_id: str) -> None:
        """The same event each time: the stream drops it unless it was lost."""
        again = isinstance(before, Stored) and before.document.status.phase.is_final
        request = JobRequested(id=identity, spec=spec, again=again)
        await self._publisher.publish(self._events.event(request, event_id=event_id))

    async def _ended(self, identity: str, before: Job, waiting: asyncio.Timeout) -> JobDocument | None:
        """The job once it has ended; None where it has vanished without having been deleted.

        Raises:
            ServingError: someone has deleted it.
            TimeoutError: nobody has taken it up.
        """
        taken_up = False
        while True:
            job = await self._read(identity)
            if isinstance(job, Buried) and _is_deleted_since(before, job):
                message = f"conversion {identity} was deleted while it was waited for: deploy again to have it done"
                raise ServingError(message, code=CONVERSION_FAILED)
            if isinstance(job, Stored) and _is_ours(before, job):
                taken_up = True
                waiting.reschedule(None)
                if job.document.status.phase.is_final:
                    return job.document
            if job is None and taken_up:
                return None
            await asyncio.sleep(POLL_SECONDS)

    async def _read(self, identity: str) -> Job:
        return await self._jobs.find(subjects.escape(identity))


def _is_ours(before: Job, job: Stored[JobDocument]) -> bool:
    """Whether this is the job that was asked for, and not a former one that had ended."""
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
