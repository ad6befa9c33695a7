"""Records jobs in their documents, and publishes their events."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from klever_jobrunner.domain.life import Known, Tomb
from kleverkit.deletions import Deletions
from kleverkit.documents import Buried, Documents, Stored
from kleverkit.publisher import EventPublisher
from kleverproto.base import WireModel
from kleverproto.documents import Intent
from kleverproto.envelope import EventSource
from kleverproto.jobs import JobCancelled, JobCompleted, JobDeleted, JobDocument, JobFailed, JobPhase
from kleverproto.subjects import escape

Recorded = Stored[JobDocument] | Buried[JobDocument] | None
Step = Callable[[Known, datetime], JobDocument | Tomb | None]
"""A transition from the stored entry and the present time to the new entry, or None if nothing changes."""


@dataclass(frozen=True)
class Ledger:
    """The documents and events of jobs."""

    documents: Documents[JobDocument]
    publisher: EventPublisher
    events: EventSource
    clock: Callable[[], datetime]

    @cached_property
    def deletions(self) -> Deletions[JobDocument]:
        """The deletions of jobs."""
        return Deletions(self.documents, self._announce_deletion, self.clock)

    async def find(self, name: str) -> Recorded:
        """The present document or tombstone of a job. Raises TransientError."""
        return await self.documents.find(escape(name))

    async def record(self, name: str, step: Step) -> Recorded:
        """Apply a transition to a job, and return the stored entry. Raises TransientError."""
        now = self.clock()
        return await self.deletions.change(escape(name), lambda known: step(known, now))

    async def publish(self, cause: Intent, data: WireModel) -> None:
        """Publish an event with this cause. Raises TransientError."""
        await self.publisher.publish(self.events.caused_by_ids(cause.event_id, cause.correlation_id, data))

    async def publish_outcome(self, cause: Intent, job: JobDocument) -> None:
        """Publish the outcome of a job, in a separate event for each cause. Raises TransientError."""
        status = job.status
        match status.phase:
            case JobPhase.SUCCEEDED if status.result is not None:
                await self.publish(cause, JobCompleted(id=job.id, spec=job.spec, result=status.result))
            case JobPhase.FAILED if status.problem is not None:
                failed = JobFailed(id=job.id, spec=job.spec, problem=status.problem, result=status.result)
                await self.publish(cause, failed)
            case _:
                await self.publish(cause, JobCancelled(id=job.id, spec=job.spec))

    async def _announce_deletion(self, _key: str, tombstone: Tomb) -> None:
        """Publish the deletion, unless the spec of the job is not known."""
        if tombstone.document and tombstone.intent:
            job = tombstone.document
            await self.publish(tombstone.intent, JobDeleted(id=job.id, spec=job.spec))
