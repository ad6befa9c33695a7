"""The life of a job, as pure steps from one document to the next.

Requests, cancellations and deletions come in any order and any number of times; their places in KLEVER_JOBS say which
one is the newest. A step takes what is stored and returns what should be, or None to leave it as it is.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Unpack

from klever_jobrunner.errors import DECIDED_BY_THE_MODEL
from kleverproto.deletions import deletion_requested, last_document, newest_intent
from kleverproto.documents import Intent, Problem, Tombstone, is_late
from kleverproto.jobs import JobDocument, JobPhase, JobResult, JobSpec, JobStatus, JobStatusChanges

from .requests import Request

MAX_ATTEMPTS = 8
"""Attempts at one job, over all deliveries and restarts."""

Tomb = Tombstone[JobDocument]
Known = JobDocument | Tomb | None


@dataclass(frozen=True)
class Claim:
    """One attempt at a job, by one jobrunner. Only who holds the claim may end the job."""

    runner: str
    generation: int
    attempt: int

    @classmethod
    def on(cls, job: JobDocument) -> "Claim":
        """The claim that was last made."""
        return cls(job.status.runner, job.generation, job.status.attempts)


def requested(known: Known, request: Request, now: datetime) -> JobDocument | None:
    """The job after a request; None for a late one."""
    if is_late(_newest_request(known, is_push=request.is_push), request.intent):
        return None
    if isinstance(known, JobDocument) and not _starts_again(known.status, request):
        return known.replace(status=_with_request(known.status, request), updated_at=now)
    before = JobStatus(intent=_newest_request(known, is_push=False), push=_newest_request(known, is_push=True))
    status = _with_request(before, request)
    last = last_document(known)
    generation = last.generation + 1 if last else 1
    created_at = known.created_at if isinstance(known, JobDocument) else now
    return JobDocument(
        id=request.job, spec=request.spec, status=status, generation=generation, created_at=created_at, updated_at=now
    )


def claimed(
    known: Known, request: Request, runner: str, now: datetime, *, lapsed: JobDocument | None = None
) -> JobDocument | None:
    """The job with one more attempt, by this jobrunner; None where there is nothing to begin.

    Args:
        known: what is stored.
        request: what asks for it.
        runner: this jobrunner, which is not running it for another request.
        now: the present.
        lapsed: the job as it was last written by another jobrunner whose claim has lapsed. Where it was written since,
            the claim is valid.
    """
    updated = requested(known, request, now)
    job = updated or known
    if not isinstance(job, JobDocument) or job.status.phase.is_final or (_is_held(job, runner) and known != lapsed):
        return updated
    return _with(
        job,
        now,
        phase=JobPhase.RUNNING,
        attempts=job.status.attempts + 1,
        started_at=job.status.started_at or now,
        runner=runner,
        problem=None,
    )


def held_up(known: Known, request: Request, runner: str, problem: Problem, now: datetime) -> JobDocument | None:
    """The job with the reason why this jobrunner cannot begin it now; it is Pending."""
    updated = requested(known, request, now)
    job = updated or known
    if not isinstance(job, JobDocument) or job.status.phase.is_final or _is_held(job, runner):
        return updated
    if job.status.phase is JobPhase.PENDING and job.status.problem == problem:
        return updated
    return _with(job, now, phase=JobPhase.PENDING, problem=problem)


def renewed(known: Known, job: JobDocument, now: datetime) -> JobDocument | None:
    """A sign of life of an attempt; None where it does not count any more."""
    current = _current(known, job)
    return current and _with(current, now)


def put_back(known: Known, job: JobDocument, problem: Problem, now: datetime) -> JobDocument | None:
    """The job as it waits for the next attempt, with what ended this one; None as for `renewed`."""
    current = _current(known, job)
    return current and _with(current, now, phase=JobPhase.PENDING, problem=problem)


def succeeded(known: Known, job: JobDocument, result: JobResult, now: datetime) -> JobDocument | None:
    """The job with its result; None as for `renewed`."""
    current = _current(known, job)
    return current and _ended(current, JobPhase.SUCCEEDED, now, result=result)


def failed(
    known: Known, job: JobDocument, problem: Problem, now: datetime, *, result: JobResult | None = None
) -> JobDocument | None:
    """The job with what went wrong, and what was found out before; None as for `renewed`."""
    current = _current(known, job)
    return current and _ended(current, JobPhase.FAILED, now, problem=problem, result=result)


def cancelled(known: Known, intent: Intent, unknown: JobDocument | None, now: datetime) -> JobDocument | Tomb | None:
    """What is stored after a cancellation; None for a late one.

    A job that has ended stays as it is, but the cancellation is remembered: an older request that comes later must not
    start the job again. `unknown` is the job where none is stored; None if its spec is not known.
    """
    if is_late(_newest_request(known, is_push=False), intent):
        return None
    if isinstance(known, Tombstone):
        return known.replace(intent=intent)
    job = known or unknown
    if job is None:
        return Tomb(intent=intent, announced=True, deleted_at=now)
    if not job.status.phase.is_final:
        job = stopped(job, now)
    return _with(job, now, intent=intent)


def deleted(known: Known, intent: Intent, unknown: JobDocument | None, now: datetime) -> JobDocument | Tomb | None:
    """The tombstone of a job, one that runs is cancelled; None for a late deletion. `unknown`: see `cancelled`."""

    def bury(job: JobDocument) -> Tomb:
        final = job if job.status.phase.is_final else stopped(job, now)
        return Tomb(document=final, intent=intent, deleted_at=now)

    return deletion_requested(known or unknown, newest_intent(known), intent, now, begin=bury)


def unknown_job(name: str, spec: JobSpec | None, now: datetime) -> JobDocument | None:
    """A job whose cancellation or deletion is handled before its request."""
    if spec is None:
        return None
    return JobDocument(id=name, spec=spec, status=JobStatus(), created_at=now, updated_at=now)


def never_run(request: Request, now: datetime) -> JobDocument:
    """The outcome of a request for a job that was deleted before."""
    return stopped(
        JobDocument(id=request.job, spec=request.spec, status=JobStatus(), created_at=now, updated_at=now), now
    )


def stopped(job: JobDocument, now: datetime) -> JobDocument:
    """A job that has ended without a result, because it was cancelled or deleted."""
    return _ended(job, JobPhase.CANCELLED, now)


def has_newer_request(known: Known, request: Request) -> bool:
    """Whether this request, or a newer one, has been recorded already."""
    return is_late(_newest_request(known, is_push=request.is_push), request.intent)


def is_last_attempt(job: JobDocument) -> bool:
    """Whether a failure now is final, even one that might pass."""
    return job.status.attempts >= MAX_ATTEMPTS


def has_ended_every_process(job: JobDocument) -> bool:
    """Whether no attempt came to any end: the process was gone each time."""
    return job.status.attempts > MAX_ATTEMPTS


def as_asked(job: JobDocument, spec: JobSpec) -> JobDocument:
    """The job under the requested tag; the model is the same."""
    if job.spec.digest != spec.digest:
        return job
    return job.replace(spec=job.spec.for_ref(spec.ref))


def _newest_request(known: Known, *, is_push: bool) -> Intent | None:
    """The newest request that was recorded: of pushes, or of everything else."""
    if not is_push:
        return newest_intent(known)
    job = last_document(known)
    return job.status.push if job else None


def _with_request(status: JobStatus, request: Request) -> JobStatus:
    return status.replace(push=request.intent) if request.is_push else status.replace(intent=request.intent)


def _starts_again(status: JobStatus, request: Request) -> bool:
    """Whether a new request starts an ended job again, because it may end differently now.

    A missing model may have been pushed again, a worker that died may have more memory. What the model itself decides
    is tried again only if the request says so: a new release may know more operators.
    """
    if status.phase is JobPhase.SUCCEEDED or not status.phase.is_final:
        return False
    return request.again or status.problem is None or status.problem.code not in DECIDED_BY_THE_MODEL


def _is_held(job: JobDocument, runner: str) -> bool:
    return job.status.phase is JobPhase.RUNNING and job.status.runner != runner


def _current(known: Known, job: JobDocument) -> JobDocument | None:
    """The document of an attempt that counts; None where the job was cancelled, deleted, or taken over by another.

    A job that the bucket does not hold, or holds as it was before, was lost with the bucket and is recorded again: a
    deletion leaves a tombstone, and generations and attempts only grow.
    """
    if isinstance(known, Tombstone):
        return None
    if known is None or _is_from_before(known, job):
        return job
    is_same = known.status.phase is JobPhase.RUNNING and Claim.on(known) == Claim.on(job)
    return known if is_same else None


def _is_from_before(known: JobDocument, job: JobDocument) -> bool:
    """Whether a bucket was restored from a backup that is older than this attempt."""
    was, now = (known.generation, known.status.attempts), (job.generation, job.status.attempts)
    return was < now and (known.status.intent is None or is_late(job.status.intent, known.status.intent))


def _ended(
    job: JobDocument,
    phase: JobPhase,
    now: datetime,
    *,
    result: JobResult | None = None,
    problem: Problem | None = None,
) -> JobDocument:
    return _with(job, now, phase=phase, finished_at=now, result=result, problem=problem)


def _with(job: JobDocument, now: datetime, **status: Unpack[JobStatusChanges]) -> JobDocument:
    return job.replace(status=job.status.replace(**status), updated_at=now)
