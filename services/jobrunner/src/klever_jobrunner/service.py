"""Use cases: run the job that an event asks for, exactly once for each digest; cancel; pick up what a crash left."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from weakref import WeakValueDictionary

import structlog

from kleverkit.documents import Documents, mutate
from kleverkit.errors import ConflictError, NotFoundError, TransientError
from kleverkit.publisher import EventPublisher
from kleverproto.base import WireModel
from kleverproto.documents import Tombstone
from kleverproto.envelope import EventSource
from kleverproto.jobs import (
    JobCancelled,
    JobCompleted,
    JobDeleted,
    JobDocument,
    JobFailed,
    JobKind,
    JobPhase,
    JobResult,
    JobStarted,
)
from kleverproto.subjects import escape

from . import domain
from .domain import Cause, Request
from .errors import PULL_FAILED, UNSUPPORTED_KIND, WORKER_DIED, JobError
from .logbook import Logbook
from .ports import Backlog, Work
from .slots import FairSlots

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Ledger:
    """Where jobs are written down and told of."""

    documents: Documents[JobDocument]
    publisher: EventPublisher
    events: EventSource
    clock: Callable[[], datetime]

    async def tell(self, cause: Cause, data: WireModel) -> None:
        """Publish an event that follows from the cause."""
        await self.publisher.publish(self.events.following(cause.event_id, cause.correlation_id, data))

    async def tell_outcome(self, cause: Cause, job: JobDocument) -> None:
        """Publish how a job has ended; each cause gets an event of its own."""
        status = job.status
        match status.phase:
            case JobPhase.SUCCEEDED if status.result is not None:
                await self.tell(cause, JobCompleted(id=job.id, spec=job.spec, result=status.result))
            case JobPhase.FAILED if status.problem is not None:
                await self.tell(
                    cause, JobFailed(id=job.id, spec=job.spec, problem=status.problem, result=status.result)
                )
            case _:
                await self.tell(cause, JobCancelled(id=job.id, spec=job.spec))


class Jobs:
    """The jobs of this process.

    Args:
        ledger: documents and events.
        works: what jobs of each kind do.
        slots: how many of the heavy kinds run at a time.
        work_dir: an existing directory where models lie meanwhile.
    """

    def __init__(
        self,
        ledger: Ledger,
        works: Mapping[JobKind, Work],
        work_dir: Path,
        *,
        slots: Mapping[JobKind, FairSlots] = MappingProxyType({}),
    ) -> None:
        self._ledger = ledger
        self._works = works
        self._slots = slots
        self._logbook = Logbook(ledger.publisher, ledger.events)
        self._work_dir = work_dir
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._working: dict[str, asyncio.Task[JobResult]] = {}

    async def run(self, request: Request) -> None:
        """Do the job, or tell its outcome if it has ended.

        Raises:
            TransientError: it may succeed later; the delivery is tried again.
        """
        lock = self._locks.setdefault(request.job, asyncio.Lock())
        async with lock, self._place(request):  # a second tag of the same digest waits for the first one's result
            job = await self._begin(request)
            spec = domain.as_asked(job, request.spec)
            if not job.status.phase.is_final:
                await self._ledger.tell(request.cause, JobStarted(id=job.id, spec=spec))
                job = await self._finish(request.cause, job)
            await self._ledger.tell_outcome(request.cause, job.model_copy(update={"spec": spec}))

    async def cancel(self, cause: Cause, name: str) -> None:
        """Stop a job that has not ended; nothing happens to one that has.

        Raises:
            NotFoundError: there is no such job.
        """
        now = self._ledger.clock()
        stored = await mutate(self._ledger.documents, escape(name), lambda job: domain.cancelled(job, now))
        if stored is None:
            raise NotFoundError(f"there is no job {name}")
        if stored.document.status.phase is JobPhase.CANCELLED:
            if work := self._working.get(name):
                work.cancel()
            await self._ledger.tell(cause, JobCancelled(id=name, spec=stored.document.spec))

    async def delete(self, cause: Cause, name: str) -> None:
        """Forget a job, stopping it first; nothing happens where there is none."""
        with suppress(NotFoundError):
            await self.cancel(cause, name)
        stored = await self._ledger.documents.get(escape(name))
        if stored is None:
            return
        try:
            tombstone = Tombstone[JobDocument](document=stored.document, deleted_at=self._ledger.clock())
            await self._ledger.documents.bury(stored.key, tombstone, stored.revision)
        except ConflictError as error:
            raise TransientError(f"job {name} changed while it was being deleted") from error
        await self._ledger.tell(cause, JobDeleted(id=name, spec=stored.document.spec))

    async def recover(self, backlog: Backlog) -> None:
        """Do what an earlier process left, without waiting for the redelivery of its messages.

        Raises:
            TransientError: NATS does not say what is left.
        """
        for request in await backlog.unfinished():
            log.info("picking up what was left", job=request.job, model=str(request.spec.ref))
            with suppress(TransientError):  # the redelivery tries again
                await self.run(request)

    @asynccontextmanager
    async def _place(self, request: Request) -> AsyncIterator[None]:
        """A place for heavy work; the job is Pending until there is one."""
        slots = self._slots.get(request.spec.kind)
        if slots is None:
            yield
            return
        now = self._ledger.clock()
        key = escape(request.job)
        await mutate(self._ledger.documents, key, lambda present: domain.waiting(present, request, now))
        async with slots.slot(request.spec.ref.project):
            yield

    async def _begin(self, request: Request) -> JobDocument:
        now = self._ledger.clock()
        stored = await mutate(
            self._ledger.documents, escape(request.job), lambda present: domain.begun(present, request, now)
        )
        if stored is None:
            raise TransientError(f"job {request.job} was deleted while it began")
        return stored.document

    async def _finish(self, cause: Cause, job: JobDocument) -> JobDocument:
        """Work, and write down how it ended."""
        if domain.has_ended_every_process(job):
            return await self._end(job, JobError(f"each of {domain.MAX_ATTEMPTS} tries broke off", code=WORKER_DIED))
        work = asyncio.create_task(self._work(cause, job))
        self._working[job.id] = work
        try:
            return await self._end(job, await work)
        except JobError as error:
            return await self._end(job, error)
        except TransientError as error:
            if not domain.is_last_attempt(job):
                raise
            given_up = f"given up after {job.status.attempts} tries: {error}"
            return await self._end(job, JobError(given_up, code=PULL_FAILED))
        except asyncio.CancelledError:
            return await self._cancelled_or_stopping(job)
        finally:
            del self._working[job.id]

    async def _end(self, job: JobDocument, outcome: JobResult | JobError) -> JobDocument:
        now = self._ledger.clock()

        def decide(present: JobDocument | None) -> JobDocument | None:
            if isinstance(outcome, JobError):
                return domain.failed(present, outcome.problem, now, result=outcome.result)
            return domain.succeeded(present, outcome, now)

        stored = await mutate(self._ledger.documents, escape(job.id), decide)
        return stored.document if stored else job

    async def _cancelled_or_stopping(self, job: JobDocument) -> JobDocument:
        """The work was cancelled because someone asked for it, or because this process ends."""
        stored = await self._ledger.documents.get(escape(job.id))
        if stored is None:  # deleted, and stopped for that
            return domain.cancelled(job, self._ledger.clock()) or job
        if stored.document.status.phase is not JobPhase.CANCELLED:
            raise asyncio.CancelledError
        return stored.document

    async def _work(self, cause: Cause, job: JobDocument) -> JobResult:
        work = self._works.get(job.spec.kind)
        if work is None:
            raise JobError(f"this jobrunner does no {job.spec.kind} jobs", code=UNSUPPORTED_KIND)
        scratch = Path(tempfile.mkdtemp(dir=self._work_dir))
        try:
            async with self._logbook.opened(cause, job) as tell:
                return await work.do(job, scratch, tell)
        finally:
            await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
