"""The use cases of jobs: run each requested job once for each digest; cancel; delete; resume after a crash."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from weakref import WeakValueDictionary

import structlog

from klever_jobrunner.domain import life
from klever_jobrunner.domain.requests import Request, request_for
from klever_jobrunner.errors import DISK_FULL
from klever_jobrunner.ports import Backlog, Withdrawals
from kleverkit.documents import Buried, Stored
from kleverkit.errors import TransientError
from kleverproto.documents import Intent, Problem
from kleverproto.jobs import JobDocument, JobKind, JobPhase, JobSpec

from .attempts import Attempts, ended
from .claims import Claims
from .ledger import Ledger, Recorded
from .runs import Run, Runs
from .slots import FairSlots

log = structlog.get_logger(__name__)


class Jobs:
    """The jobs of this process.

    Args:
        runner: the name of this jobrunner; the next process with the same home has the same one.
        ledger: documents and events.
        claims: claims of other jobrunners.
        attempts: runs the jobs.
        withdrawals: finds cancellations and deletions if the bucket has lost a tombstone.
        shortage: returns the reason why no job can start now, such as a full disk; None if one can.
        slots: the slots for each heavy kind of jobs.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - its collaborators
        self,
        runner: str,
        ledger: Ledger,
        claims: Claims,
        attempts: Attempts,
        withdrawals: Withdrawals,
        shortage: Callable[[], str | None],
        slots: Mapping[JobKind, FairSlots] = MappingProxyType({}),
    ) -> None:
        self._runner = runner
        self._ledger = ledger
        self._claims = claims
        self._monitor = claims.monitor
        self._attempts = attempts
        self._withdrawals = withdrawals
        self._shortage = shortage
        self._slots = slots
        self._runs = Runs(runner)
        self._monitor.listen(self._runs.on_write)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def run(self, request: Request) -> None:
        """Run the job, or publish its outcome if it has ended.

        Raises:
            TransientError: the job may succeed later; the request is redelivered.
        """
        run = Run(request)
        with self._runs.registered(run):
            job = await run.execute(self._run_to_end(run))
        if job is None:
            job = ended(await self._ledger.find(request.job), life.never_run(request, self._ledger.clock()))
        await self._ledger.publish_outcome(request.intent, life.with_requested_tag(job, request.spec))

    def is_handling(self, job: str) -> bool:
        """Return whether this process is handling a request for a job."""
        return self._runs.has(job)

    async def adopt(self, job: JobDocument) -> None:
        """Run a job whose request was delivered to another jobrunner, unless another one starts it first.

        Args:
            job: the job as last written: it is Pending, or its claim has lapsed.

        Raises:
            TransientError: the job may succeed later; the request is redelivered.
        """
        request = request_for(job)
        if request is None:
            return
        run = Run(request, is_adopted=True)
        with self._runs.registered(run):
            ended_job = await run.execute(self._run_to_end(run, lapsed=job))
        if ended_job is not None:
            await self._ledger.publish_outcome(request.intent, life.with_requested_tag(ended_job, request.spec))

    async def cancel(self, intent: Intent, name: str, spec: JobSpec | None) -> None:
        """Cancel a job that has not ended, even if its request arrives later. Raises TransientError."""
        recorded = await self._ledger.record(
            name, lambda known, now: life.cancelled(known, intent, life.unknown_job(name, spec, now), now)
        )
        if not isinstance(recorded, Stored) or recorded.document.status.intent != intent:
            return  # late, deleted, or unknown
        self._monitor.observe(recorded)
        if recorded.document.status.phase is JobPhase.CANCELLED:
            await self._ledger.publish_outcome(intent, recorded.document)

    async def delete(self, intent: Intent, name: str, spec: JobSpec | None) -> None:
        """Cancel and delete a job, even if its request arrives later. Raises TransientError."""
        recorded = await self._ledger.record(
            name, lambda known, now: life.deleted(known, intent, life.unknown_job(name, spec, now), now)
        )
        if isinstance(recorded, Buried):
            self._monitor.observe(recorded)
            await self._ledger.deletions.finish(recorded.key, recorded.tombstone)

    async def recover(self, backlog: Backlog) -> None:
        """Resume the jobs of an earlier process, without waiting for the redelivery of its messages.

        Raises:
            TransientError: the messages cannot be read from NATS.
        """
        left: defaultdict[JobKind, list[Request]] = defaultdict(list)
        for request in await backlog.unfinished():
            left[request.spec.kind].append(request)
        await asyncio.gather(*(self._run_all(requests) for requests in left.values()))

    async def _run_all(self, requests: list[Request]) -> None:
        for request in requests:
            log.info("resuming a job", job=request.job, model=str(request.spec.ref))
            try:
                await self.run(request)
            except Exception as error:  # noqa: BLE001 - other jobs must be resumed, and a redelivery retries this one
                log.warning("job not resumed", job=request.job, error=str(error) or type(error).__name__)

    async def _run_to_end(self, run: Run, lapsed: JobDocument | None = None) -> JobDocument | None:
        """Run the job of a request and return it once it has ended; None if an adopted job was started elsewhere."""
        request = run.request
        if await self._is_withdrawn(request):
            return life.never_run(request, self._ledger.clock())
        lock = self._locks.setdefault(request.job, asyncio.Lock())
        if lock.locked():  # another run is in progress: use its result
            await self._ledger.record(request.job, lambda known, now: life.requested(known, request, now))
        async with lock:
            while True:
                async with self._slot(run) as has_slot:
                    recorded = await (self._begin(request, lapsed) if has_slot else self._ledger.find(request.job))
                    if has_slot and isinstance(recorded, Stored) and self._is_ours(recorded.document):
                        run.has_begun = True
                        return await self._attempts.make(request, recorded.document, run.stop)
                if run.is_adopted:
                    return None
                if (job := await self._ended(request, recorded)) is not None:
                    return job
                lapsed = await self._wait_until_released(recorded)

    async def _is_withdrawn(self, request: Request) -> bool:
        """Return whether a job that is not in the bucket was cancelled or deleted: the bucket may have lost it."""
        if await self._ledger.find(request.job) is not None:
            return False
        return await self._withdrawals.is_withdrawn(request)

    @asynccontextmanager
    async def _slot(self, run: Run) -> AsyncIterator[bool]:
        """Wait for a slot, and yield whether the job may start. A heavy job is Pending meanwhile."""
        request, slots = run.request, self._slots.get(run.request.spec.kind)
        if slots is None:
            yield True
            return
        run.turn = asyncio.get_running_loop().create_future()
        recorded = await self._ledger.record(request.job, lambda known, now: life.requested(known, request, now))
        if not isinstance(recorded, Stored) or recorded.document.status.phase.is_final:
            yield False
            return
        async with slots.slot(request.spec.ref.project, run.turn) as has_slot:
            yield has_slot

    async def _begin(self, request: Request, lapsed: JobDocument | None) -> Recorded:
        """Claim the job, if it is free. Raises TransientError if no job can start now; the job is then Pending."""
        shortage = self._shortage()
        if shortage is None:
            return await self._ledger.record(
                request.job, lambda known, now: life.claimed(known, request, self._runner, now, lapsed=lapsed)
            )
        problem = Problem(code=DISK_FULL, message=shortage)
        recorded = await self._ledger.record(
            request.job, lambda known, now: life.postponed(known, request, self._runner, problem, now)
        )
        if isinstance(recorded, Stored) and recorded.document.status.phase is JobPhase.PENDING:
            raise TransientError(shortage, code=DISK_FULL)
        return recorded

    def _is_ours(self, job: JobDocument) -> bool:
        return job.status.phase is JobPhase.RUNNING and job.status.runner == self._runner

    async def _ended(self, request: Request, recorded: Recorded) -> JobDocument | None:
        """The job if it needs no run; None if its document must be read again."""
        if isinstance(recorded, Buried):
            await self._ledger.deletions.finish(recorded.key, recorded.tombstone)
            is_late = life.has_newer_request(recorded.tombstone, request)
            return life.never_run(request, self._ledger.clock()) if is_late else None
        if recorded is None or not recorded.document.status.phase.is_final:
            return None
        return recorded.document

    async def _wait_until_released(self, recorded: Recorded) -> JobDocument | None:
        """Wait while another jobrunner runs the job; see `Claims.wait_for_release`."""
        return await self._claims.wait_for_release(recorded) if isinstance(recorded, Stored) else None
