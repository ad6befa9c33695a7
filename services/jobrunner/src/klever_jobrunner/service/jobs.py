"""Use cases: run the job that an event asks for, exactly once for each digest; cancel; delete; resume after a crash."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from weakref import WeakValueDictionary

import structlog

from klever_jobrunner.domain import life
from klever_jobrunner.domain.life import Claim
from klever_jobrunner.domain.requests import Request
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
        attempts: does the work.
        withdrawals: what the stream says where the bucket has lost a tombstone.
        lack: why nothing can be begun now, such as a full disk; None where nothing is missing.
        slots: how many of the heavy kinds run at a time.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what it works with
        self,
        runner: str,
        ledger: Ledger,
        claims: Claims,
        attempts: Attempts,
        withdrawals: Withdrawals,
        lack: Callable[[], str | None],
        slots: Mapping[JobKind, FairSlots] = MappingProxyType({}),
    ) -> None:
        self._runner = runner
        self._ledger = ledger
        self._claims = claims
        self._attempts = attempts
        self._withdrawals = withdrawals
        self._lack = lack
        self._slots = slots
        self._runs = Runs()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def run(self, request: Request) -> None:
        """Do the job, or publish its outcome if it has ended.

        Raises:
            TransientError: it may succeed later; the delivery is tried again.
        """
        run = Run(request)
        with self._runs.registered(run):
            job = await run.carry_out(self._job_of(run))
        if job is None:
            job = ended(await self._ledger.find(request.job), life.never_run(request, self._ledger.clock()))
        await self._ledger.publish_outcome(request.intent, life.as_asked(job, request.spec))

    async def cancel(self, intent: Intent, name: str, spec: JobSpec | None) -> None:
        """Stop a job that has not ended, also one whose request comes later. Raises TransientError."""
        recorded = await self._ledger.record(
            name, lambda known, now: life.cancelled(known, intent, life.unheard_of(name, spec, now), now)
        )
        if not isinstance(recorded, Stored) or recorded.document.status.intent != intent:
            return  # late, deleted, or never heard of
        if recorded.document.status.phase is JobPhase.CANCELLED:
            self._runs.stop(name, recorded.document)
            await self._ledger.publish_outcome(intent, recorded.document)

    async def delete(self, intent: Intent, name: str, spec: JobSpec | None) -> None:
        """Forget a job, stopping it first, also one whose request comes later. Raises TransientError."""
        recorded = await self._ledger.record(
            name, lambda known, now: life.deleted(known, intent, life.unheard_of(name, spec, now), now)
        )
        if isinstance(recorded, Buried):
            self._runs.stop(name, recorded.tombstone)
            await self._ledger.deletions.finish(recorded.key, recorded.tombstone)

    async def recover(self, backlog: Backlog) -> None:
        """Do what an earlier process left, without waiting for the redelivery of its messages.

        Raises:
            TransientError: NATS does not answer what is left.
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
            except Exception as error:  # noqa: BLE001 - one job holds up no other, and its redelivery tries again
                log.warning("a job was not resumed", job=request.job, error=str(error) or type(error).__name__)

    async def _job_of(self, run: Run) -> JobDocument:
        """The job of a request once it has ended."""
        request = run.request
        if await self._is_withdrawn(request):
            return life.never_run(request, self._ledger.clock())
        lock = self._locks.setdefault(request.job, asyncio.Lock())
        if lock.locked():  # it waits for the result of the run that is under way, and is not one from after its end
            await self._ledger.record(request.job, lambda known, now: life.requested(known, request, now))
        async with lock:
            lapsed = None
            while True:
                async with self._place(request):
                    recorded = await self._begin(request, lapsed)
                    if isinstance(recorded, Stored) and self._is_ours(recorded.document):
                        return await self._attempts.make(request, recorded.document, run.stop)
                if (job := await self._ended(request, recorded)) is not None:
                    return job
                lapsed = await self._until_released(recorded)

    async def _is_withdrawn(self, request: Request) -> bool:
        """Whether a job that the bucket does not hold was cancelled or deleted since: the bucket may be a new one."""
        if await self._ledger.find(request.job) is not None:
            return False
        return await self._withdrawals.is_withdrawn(request)

    @asynccontextmanager
    async def _place(self, request: Request) -> AsyncIterator[None]:
        """A place for heavy work; the job is Pending until there is one. One that has ended needs none."""
        slots = self._slots.get(request.spec.kind)
        if slots is None:
            yield
            return
        recorded = await self._ledger.record(request.job, lambda known, now: life.requested(known, request, now))
        if not isinstance(recorded, Stored) or recorded.document.status.phase.is_final:
            yield
            return
        async with slots.slot(request.spec.ref.project):
            yield

    async def _begin(self, request: Request, lapsed: Claim | None) -> Recorded:
        """Claim the job, if it is free. Raises TransientError where nothing can be begun now; the job is Pending."""
        lack = self._lack()
        if lack is None:
            return await self._ledger.record(
                request.job, lambda known, now: life.begun(known, request, self._runner, now, lapsed=lapsed)
            )
        problem = Problem(code=DISK_FULL, message=lack)
        recorded = await self._ledger.record(
            request.job, lambda known, now: life.held_up(known, request, self._runner, problem, now)
        )
        if isinstance(recorded, Stored) and recorded.document.status.phase is JobPhase.PENDING:
            raise TransientError(lack, code=DISK_FULL)
        return recorded

    def _is_ours(self, job: JobDocument) -> bool:
        return job.status.phase is JobPhase.RUNNING and job.status.runner == self._runner

    async def _ended(self, request: Request, recorded: Recorded) -> JobDocument | None:
        """The job where there is nothing to do; None where it has to be looked at again."""
        if isinstance(recorded, Buried):
            await self._ledger.deletions.finish(recorded.key, recorded.tombstone)
            is_late = life.is_heard(recorded.tombstone, request)
            return life.never_run(request, self._ledger.clock()) if is_late else None
        if recorded is None or not recorded.document.status.phase.is_final:
            return None
        return recorded.document

    async def _until_released(self, recorded: Recorded) -> Claim | None:
        """Wait while another jobrunner works on the job. Its claim, if that is void."""
        return await self._claims.lapsed(recorded) if isinstance(recorded, Stored) else None
