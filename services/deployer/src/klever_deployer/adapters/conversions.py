"""Conversions by the jobrunner: asked for with an event, awaited in its bucket."""

import asyncio
import uuid

from klever_deployer.errors import CONVERSION_FAILED, ServingError
from kleverkit.documents import Documents
from kleverkit.publisher import EventPublisher
from kleverproto import subjects
from kleverproto.conversions import Conversion, ConvertedModel
from kleverproto.envelope import EventSource
from kleverproto.job_ids import job_id
from kleverproto.jobs import JobDocument, JobKind, JobRequested, JobSpec
from kleverproto.models import ModelDocument
from kleverproto.references import ModelRef
from modelformats.converting.planning import reachable

POLL_SECONDS = 0.2
UNKNOWN = "unknown"
"""Stands for a registry where only the id of a job is wanted, which does not depend on it."""


class JobConversions:
    """See `ports.Conversions`.

    Args:
        jobs: the jobrunner's documents.
        publisher: stores requests.
        events: makes them.
    """

    def __init__(self, jobs: Documents[JobDocument], publisher: EventPublisher, events: EventSource) -> None:
        self._jobs = jobs
        self._publisher = publisher
        self._events = events

    async def find(self, ref: ModelRef, digest: str, target: str) -> ConvertedModel | None:
        """See `Conversions`."""
        job = await self._read(job_id(_spec(ref, digest, UNKNOWN, None, target)))
        return job.status.result.converted if job is not None and job.status.result is not None else None

    async def make(self, model: ModelDocument, digest: str, model_format: str, target: str) -> ConvertedModel:
        """See `Conversions`. A job that has failed before is done again."""
        spec = _spec(model.spec.ref, digest, model.spec.registry, model_format, target)
        identity = job_id(spec)
        present = await self._read(identity)
        again = present is not None and present.status.phase.is_final
        seen = present.generation if present is not None and again else 0
        request = JobRequested(id=identity, spec=spec, again=again)
        await self._publisher.publish(self._events.event(request, event_id=str(uuid.uuid4())))
        job = await self._ended(identity, seen)
        if job.status.result is not None and job.status.result.converted is not None:
            return job.status.result.converted
        problem = job.status.problem.message if job.status.problem else job.status.phase.value
        message = f"{model.spec.ref} could not be converted to {target}: {problem} (`klever jobs logs {identity}`)"
        raise ServingError(message, code=CONVERSION_FAILED)

    def routes(self, model_format: str) -> tuple[str, ...]:
        """See `Conversions`."""
        return reachable(model_format)

    async def _ended(self, identity: str, seen: int) -> JobDocument:
        while True:
            job = await self._read(identity)
            if job is not None and job.generation > seen and job.status.phase.is_final:
                return job
            await asyncio.sleep(POLL_SECONDS)

    async def _read(self, identity: str) -> JobDocument | None:
        stored = await self._jobs.get(subjects.escape(identity))
        return stored.document if stored else None


def _spec(ref: ModelRef, digest: str, registry: str, model_format: str | None, target: str) -> JobSpec:
    return JobSpec(
        kind=JobKind.CONVERT,
        ref=ref,
        digest=digest,
        registry=registry,
        format=model_format,
        conversion=Conversion(to=target),
    )
