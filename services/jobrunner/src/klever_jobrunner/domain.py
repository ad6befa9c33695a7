"""The life of a job, as pure steps from one document to the next."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kleverproto.documents import Problem
from kleverproto.envelope import Event
from kleverproto.job_ids import job_id
from kleverproto.jobs import (
    JobDocument,
    JobKind,
    JobPhase,
    JobRequested,
    JobResult,
    JobSpec,
    JobStatus,
)
from kleverproto.models import ModelPushed

from .errors import OF_THE_BYTES

MAX_ATTEMPTS = 8
"""Tries of one job, over all deliveries and restarts; as many as its consumer makes."""


@dataclass(frozen=True)
class Cause:
    """The event that a job's events follow from."""

    event_id: str
    correlation_id: str

    @classmethod
    def of(cls, event: Event[Any]) -> "Cause":
        """An event without a correlation id begins one."""
        return cls(event.id, event.correlation_id or event.id)


@dataclass(frozen=True)
class Request:
    """A job that an event asks for."""

    cause: Cause
    asked_at: datetime
    job: str
    """The job's id."""
    spec: JobSpec
    again: bool = False
    """Do it again even if what the bytes decided was an error."""


def request_of(event: Event[ModelPushed] | Event[JobRequested]) -> Request:
    """The job that an event asks for. A push asks for the extraction of its bytes: one job, whatever the tag."""
    data = event.data
    if isinstance(data, ModelPushed):
        spec = JobSpec(
            kind=JobKind.EXTRACT, ref=data.ref, digest=data.digest, registry=data.registry, format=data.format
        )
        job = job_id(spec)
    else:
        return Request(Cause.of(event), event.time, data.id, data.spec, again=data.again)
    return Request(Cause.of(event), event.time, job, spec)


def waiting(present: JobDocument | None, request: Request, now: datetime) -> JobDocument | None:
    """The job as it waits for a place; None when it is there already."""
    if present is not None:
        return None
    return JobDocument(id=request.job, spec=request.spec, status=JobStatus(), created_at=now, updated_at=now)


def begun(present: JobDocument | None, request: Request, now: datetime) -> JobDocument | None:
    """The job with one more attempt; None when there is nothing to begin, because it has ended."""
    if present is None:
        present = JobDocument(id=request.job, spec=request.spec, status=JobStatus(), created_at=now, updated_at=now)
    elif present.status.phase.is_final:
        if not _is_asked_anew(present.status, request):
            return None
        present = present.model_copy(
            update={"spec": request.spec, "status": JobStatus(), "generation": present.generation + 1}
        )
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


def failed(
    present: JobDocument | None, problem: Problem, now: datetime, *, result: JobResult | None = None
) -> JobDocument | None:
    """The job with what went wrong, and what was found out before; None when it has ended already."""
    return _ended(present, JobPhase.FAILED, now, problem=problem, result=result)


def cancelled(present: JobDocument | None, now: datetime) -> JobDocument | None:
    """The job, stopped; None when it has ended already."""
    return _ended(present, JobPhase.CANCELLED, now)


def is_last_attempt(job: JobDocument) -> bool:
    """Whether a failure now is final, even one that might pass."""
    return job.status.attempts >= MAX_ATTEMPTS


def has_ended_every_process(job: JobDocument) -> bool:
    """Whether no try came to any end: the process that tried was gone each time."""
    return job.status.attempts > MAX_ATTEMPTS


def as_asked(job: JobDocument, spec: JobSpec) -> JobSpec:
    """The job's spec under the tag that was asked for; the bytes are the same."""
    return job.spec.model_copy(update={"ref": spec.ref}) if job.spec.digest == spec.digest else job.spec


def _is_asked_anew(status: JobStatus, request: Request) -> bool:
    """Whether someone asks after the end of a job that may end differently now.

    A model that was not there may have been pushed again, a worker that died may have more memory. What the bytes
    decide stays decided, unless someone insists: a new release may know more operators. An event from before the end
    is only delivered again.
    """
    if status.phase is JobPhase.SUCCEEDED or status.finished_at is None:
        return False
    decided = status.problem is not None and status.problem.code in OF_THE_BYTES
    return (request.again or not decided) and request.asked_at > status.finished_at


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
