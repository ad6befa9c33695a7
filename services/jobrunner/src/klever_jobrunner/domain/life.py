"""The life cycle of a job, as pure transitions from one document to the next.

Requests, cancellations and deletions are delivered in any order and any number of times; their positions in KLEVER_JOBS
determine the newest one. A transition takes the stored entry and returns the new one, or None if nothing changes.
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
"""Limit of attempts at one job, over all deliveries and restarts."""

Tomb = Tombstone[JobDocument]
Known = JobDocument | Tomb | None


@dataclass(frozen=True)
class Claim:
    """One attempt at a job, by one jobrunner. Only the holder of the claim may end the job."""

    runner: str
    generation: int
    attempt: int

    @classmethod
    def on(cls, job: JobDocument) -> "Claim":
        """The last claim on a job."""
        return cls(job.status.runner, job.generation, job.status.attempts)


def requested(known: Known, request: Request, now: datetime) -> JobDocument | None:
    """The job after a request; None if the request is late."""
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
    """The job with a new attempt by this jobrunner; None if it cannot be started.

    Args:
        known: the stored entry.
        request: the request for the job.
        runner: this jobrunner, which is not running the job for another request.
        now: the present time.
        lapsed: the job as last written by another jobrunner whose claim has lapsed. If it was written since, the claim
            is valid.
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


def postponed(known: Known, request: Request, runner: str, problem: Problem, now: datetime) -> JobDocument | None:
    """The job, Pending, with the reason why this jobrunner cannot start it now."""
    updated = requested(known, request, now)
    job = updated or known
    if not isinstance(job, JobDocument) or job.status.phase.is_final or _is_held(job, runner):
        return updated
    if job.status.phase is JobPhase.PENDING and job.status.problem == problem:
        return updated
    return _with(job, now, phase=JobPhase.PENDING, problem=problem)


def renewed(known: Known, job: JobDocument, now: datetime) -> JobDocument | None:
    """The job after a renewal of the claim; None if the claim is no longer valid."""
    current = _current(known, job)
    return current and _with(current, now)


def requeued(known: Known, job: JobDocument, problem: Problem, now: datetime) -> JobDocument | None:
    """The job, waiting for the next attempt, with the problem of this one; None as for `renewed`."""
    current = _current(known, job)
    return current and _with(current, now, phase=JobPhase.PENDING, problem=problem)


def succeeded(known: Known, job: JobDocument, result: JobResult, now: datetime) -> JobDocument | None:
    """The job with its result; None as for `renewed`."""
    current = _current(known, job)
    return current and _ended(current, JobPhase.SUCCEEDED, now, result=result)


def failed(
    known: Known, job: JobDocument, problem: Problem, now: datetime, *, result: JobResult | None = None
) -> JobDocument | None:
    """The job with its problem and partial result; None as for `renewed`."""
    current = _current(known, job)
    return current and _ended(current, JobPhase.FAILED, now, problem=problem, result=result)


def cancelled(known: Known, intent: Intent, unknown: JobDocument | None, now: datetime) -> JobDocument | Tomb | None:
    """The job after a cancellation; None if the cancellation is late.

    A job that has ended does not change, but the cancellation is recorded: an older request that is handled later must
    not start the job again. `unknown` is the job to record if none is stored; None if its spec is not known.
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
    """The tombstone of a deleted job, which is cancelled if it runs; None if late. `unknown`: see `cancelled`."""

    def bury(job: JobDocument) -> Tomb:
        final = job if job.status.phase.is_final else stopped(job, now)
        return Tomb(document=final, intent=intent, deleted_at=now)

    return deletion_requested(known or unknown, newest_intent(known), intent, now, begin=bury)


def unknown_job(name: str, spec: JobSpec | None, now: datetime) -> JobDocument | None:
    """The job to record for a cancellation or deletion that is handled before the request."""
    if spec is None:
        return None
    return JobDocument(id=name, spec=spec, status=JobStatus(), created_at=now, updated_at=now)


def never_run(request: Request, now: datetime) -> JobDocument:
    """The outcome of a request for a job that was already deleted."""
    return stopped(
        JobDocument(id=request.job, spec=request.spec, status=JobStatus(), created_at=now, updated_at=now), now
    )


def stopped(job: JobDocument, now: datetime) -> JobDocument:
    """The job, ended without a result because it was cancelled or deleted."""
    return _ended(job, JobPhase.CANCELLED, now)


def has_newer_request(known: Known, request: Request) -> bool:
    """Return whether this request or a newer one is recorded."""
    return is_late(_newest_request(known, is_push=request.is_push), request.intent)


def is_last_attempt(job: JobDocument) -> bool:
    """Return whether the job is not retried, even after a transient failure."""
    return job.status.attempts >= MAX_ATTEMPTS


def has_died_in_every_attempt(job: JobDocument) -> bool:
    """Return whether the process died during each attempt."""
    return job.status.attempts > MAX_ATTEMPTS


def with_requested_tag(job: JobDocument, spec: JobSpec) -> JobDocument:
    """The job with the requested tag of the same model."""
    if job.spec.digest != spec.digest:
        return job
    return job.replace(spec=job.spec.for_ref(spec.ref))


def is_obsolete(known: Known, generation: int, *, is_active: bool) -> bool:
    """Return whether no job waits for a run outside the jobrunner.

    Args:
        known: the stored entry of the job. Without one nothing is proven: the bucket may be lost.
        generation: generation of the document that the run belongs to.
        is_active: whether the run has not ended. One that has ended is kept for a time, unless its job is deleted.
    """
    last = last_document(known)
    if isinstance(known, Tombstone):
        return last is None or last.generation >= generation
    if last is None or last.generation < generation:
        return False
    return is_active and (last.generation > generation or last.status.phase.is_final)


def _newest_request(known: Known, *, is_push: bool) -> Intent | None:
    """The newest recorded request, either of pushes or of all others."""
    if not is_push:
        return newest_intent(known)
    job = last_document(known)
    return job.status.push if job else None


def _with_request(status: JobStatus, request: Request) -> JobStatus:
    return status.replace(push=request.intent) if request.is_push else status.replace(intent=request.intent)


def _starts_again(status: JobStatus, request: Request) -> bool:
    """Return whether a new request restarts an ended job, because its outcome may differ now.

    A missing model may have been pushed again; a worker that died may have more memory. A failure that the model
    itself causes is retried only on request, for instance after an upgrade that supports more operators.
    """
    if status.phase is JobPhase.SUCCEEDED or not status.phase.is_final:
        return False
    return request.again or status.problem is None or status.problem.code not in DECIDED_BY_THE_MODEL


def _is_held(job: JobDocument, runner: str) -> bool:
    return job.status.phase is JobPhase.RUNNING and job.status.runner != runner


def _current(known: Known, job: JobDocument) -> JobDocument | None:
    """The document of a valid attempt; None if the job was cancelled, deleted, or taken over by another jobrunner.

    If the bucket has no entry or an older one, it was lost or restored, and the job is recorded again: a deletion
    leaves a tombstone, and generations and attempts only increase.
    """
    if isinstance(known, Tombstone):
        return None
    if known is None or _is_from_before(known, job):
        return job
    is_same = known.status.phase is JobPhase.RUNNING and Claim.on(known) == Claim.on(job)
    return known if is_same else None


def _is_from_before(known: JobDocument, job: JobDocument) -> bool:
    """Return whether the stored job is older than this attempt, so that the bucket was restored from a backup."""
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
