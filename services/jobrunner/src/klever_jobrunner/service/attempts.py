"""Runs one attempt at a job, and records its outcome."""

import errno
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from shutil import rmtree

from klever_jobrunner.domain import life
from klever_jobrunner.domain.requests import Request
from klever_jobrunner.errors import DISK_FULL, INTERNAL, PULL_FAILED, UNSUPPORTED_KIND, WORKER_DIED, JobError
from klever_jobrunner.ports import Operation
from kleverkit.documents import Buried
from kleverkit.errors import TransientError
from kleverproto.codes import UNAVAILABLE
from kleverproto.documents import Intent, Problem
from kleverproto.jobs import JobDocument, JobKind, JobResult, JobStarted
from modelformats.threads import in_thread

from .claims import Claims
from .durations import JobDurations
from .ledger import Ledger, Recorded
from .logbook import Logbook

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class Attempts:
    """Runs jobs that this jobrunner has claimed.

    Args:
        ledger: documents and events.
        claims: renews the claim during an attempt.
        operations: run the jobs of each kind.
        scratch: a directory for models during an attempt.
        durations: measures queues and attempts.
    """

    def __init__(
        self,
        ledger: Ledger,
        claims: Claims,
        operations: Mapping[JobKind, Operation],
        scratch: Path,
        durations: JobDurations,
    ) -> None:
        self._ledger = ledger
        self._claims = claims
        self._operations = operations
        self._scratch = scratch
        self._durations = durations
        self._logbook = Logbook(ledger.publisher, ledger.events)

    async def make(self, request: Request, job: JobDocument, lost: Callable[[], None]) -> JobDocument:
        """Publish the start of the attempt, run it, record its outcome, and return the job.

        If the job was deleted meanwhile, it is returned as cancelled. `lost` is called when the claim is no longer
        valid. Raises TransientError if the job may succeed later; it is then Pending.
        """
        if life.has_died_in_every_attempt(job):
            ended = f"the process died in each of {life.MAX_ATTEMPTS} attempts"
            return await self._end(job, JobError(ended, code=WORKER_DIED))
        async with self._claims.renewed(job, lost):
            try:
                self._durations.started(job)
                started = JobStarted(id=job.id, spec=life.with_requested_tag(job, request.spec).spec)
                await self._ledger.publish(request.intent, started)
                with self._durations.running(job):
                    outcome: JobResult | JobError = await self._run(request.intent, job)
            except JobError as error:
                outcome = error
            except Exception as error:
                problem = problem_of(error)
                if not life.is_last_attempt(job):
                    await self._ledger.record(job.id, lambda known, now: life.requeued(known, job, problem, now))
                    raise TransientError(problem.message, code=problem.code) from error
                given_up = f"given up after {job.status.attempts} attempts: {problem.message}"
                outcome = JobError(given_up, code=problem.code)
            return await self._end(job, outcome)

    async def _end(self, job: JobDocument, outcome: JobResult | JobError) -> JobDocument:
        if isinstance(outcome, JobError):
            problem, partial_result = outcome.problem, outcome.result
            recorded = await self._ledger.record(
                job.id, lambda known, now: life.failed(known, job, problem, now, result=partial_result)
            )
        else:
            recorded = await self._ledger.record(job.id, lambda known, now: life.succeeded(known, job, outcome, now))
        return ended(recorded, job)

    async def _run(self, cause: Intent, job: JobDocument) -> JobResult:
        operation = self._operations.get(job.spec.kind)
        if operation is None:
            raise JobError(f"this jobrunner runs no {job.spec.kind} jobs", code=UNSUPPORTED_KIND)
        self._scratch.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=self._scratch))
        try:
            async with self._logbook.opened(cause, job) as on_line:
                return await operation.run_job(job, scratch, on_line)
        finally:
            await in_thread(rmtree, scratch, ignore_errors=True)


def ended(recorded: Recorded, job: JobDocument) -> JobDocument:
    """The ended job, or a cancelled one if it was deleted. Raises TransientError if it has not ended."""
    if isinstance(recorded, Buried) or recorded is None:
        return life.stopped(job, job.updated_at)
    if not recorded.document.status.phase.is_final:
        raise TransientError(f"job {job.id} was taken over by another jobrunner and has not ended yet")
    return recorded.document


def problem_of(error: Exception) -> Problem:
    """The problem of a failed attempt that can be retried; `internal` for an error of the jobrunner itself."""
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        return Problem(code=DISK_FULL, message=f"no space is left on the disk: {error}")
    if isinstance(error, TransientError):
        return Problem(code=PULL_FAILED if error.code == UNAVAILABLE else error.code, message=str(error))
    return Problem(code=INTERNAL, message=f"{type(error).__name__}: {error}")
