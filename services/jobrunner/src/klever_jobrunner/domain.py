"""The life of a job, as pure steps from one document to the next."""

from dataclasses import dataclass
from datetime import datetime

from kleverproto.documents import Problem
from kleverproto.job_ids import job_id
from kleverproto.jobs import JobDocument, JobKind, JobPhase, JobResult, JobSpec, JobStatus
from kleverproto.models import ModelPushed

MAX_ATTEMPTS = 8
"""Tries of one job, over all deliveries and restarts; as many as its consumer makes."""


def extraction_of(pushed: ModelPushed) -> JobSpec:
    """The job that a push asks for."""
    return JobSpec(
        kind=JobKind.EXTRACT,
        ref=pushed.ref,
        digest=pushed.digest,
        registry=pushed.registry,
        format=pushed.format,
    )


def id_of(spec: JobSpec) -> str:
    """The job's id: the same work on the same bytes is the same job."""
    return job_id(spec)


@dataclass(frozen=True)
class Cause:
    """The event that a job's events follow from."""

    event_id: str
    correlation_id: str


def begun(present: JobDocument | None, name: str, spec: JobSpec, now: datetime, cause: Cause) -> JobDocument | None:
    """The job with one more attempt; None when there is nothing to begin, because it has ended."""
    if present is None:
        present = JobDocument(id=name, spec=spec, status=_caused(cause), created_at=now, updated_at=now)
    if present.status.phase.is_final:
        return None
    status = present.status.model_copy(
        update={
            "phase": JobPhase.RUNNING,
            "attempts": present.status.attempts + 1,
            "started_at": present.status.started_at or now,
        }
    )
    return present.model_copy(update={"status": status, "updated_at": now})


def succeeded(present: JobDocument | None, result: JobResult, now: datetime) -> JobDocument | None:
    """The job with its result; None when it has ended already."""
    return _ended(present, JobPhase.SUCCEEDED, now, result=result)


def failed(present: JobDocument | None, problem: Problem, now: datetime) -> JobDocument | None:
    """The job with what went wrong; None when it has ended already."""
    return _ended(present, JobPhase.FAILED, now, problem=problem)


def cancelled(present: JobDocument | None, now: datetime) -> JobDocument | None:
    """The job, stopped; None when it has ended already."""
    return _ended(present, JobPhase.CANCELLED, now)


def is_last_attempt(job: JobDocument) -> bool:
    """Whether a failure now is final, even one that might pass."""
    return job.status.attempts >= MAX_ATTEMPTS


def cause_of(job: JobDocument) -> Cause:
    """What the job was made for."""
    return Cause(job.status.causation_id or job.id, job.status.correlation_id or job.id)


def _caused(cause: Cause) -> JobStatus:
    return JobStatus(causation_id=cause.event_id, correlation_id=cause.correlation_id)


def _ended(
    present: JobDocument | None,
    phase: JobPhase,
    now: datetime,
    *,
    result: JobResult | None = None,
    problem: Problem | None = None,
) -> JobDocument | None:
    if present is None or present.status.phase.is_final:
        return None
    status = present.status.model_copy(
        update={"phase": phase, "finished_at": now, "result": result, "problem": problem}
    )
    return present.model_copy(update={"status": status, "updated_at": now})
