"""Derives requests for jobs from events."""

from dataclasses import dataclass
from typing import Any

from kleverproto.documents import Intent
from kleverproto.envelope import Event
from kleverproto.job_ids import job_id
from kleverproto.jobs import JobDocument, JobKind, JobRequested, JobSpec
from kleverproto.models import ModelPushed


@dataclass(frozen=True)
class Request:
    """A request for a job."""

    intent: Intent
    """The event, and its position in its stream."""
    job: str
    """The job's id."""
    spec: JobSpec
    again: bool = False
    """Run the job again, even after a failure that the model itself causes."""
    is_push: bool = False
    """True if the event is a push, whose position in KLEVER_MODELS cannot be compared with those in KLEVER_JOBS."""


def intent_of(event: Event[Any], sequence: int) -> Intent:
    """The event as the cause of others; an event without a correlation id starts a correlation."""
    return Intent(sequence=sequence, event_id=event.id, correlation_id=event.correlation_id or event.id)


def request_of(event: Event[ModelPushed] | Event[JobRequested], sequence: int) -> Request:
    """The request in an event. A push requests the extraction of its digest: one job, for any number of tags.

    Args:
        event: a push, or a request.
        sequence: its position in its stream.
    """
    data, intent = event.data, intent_of(event, sequence)
    if isinstance(data, JobRequested):
        return Request(intent, data.id, data.spec, again=data.again)
    spec = JobSpec(kind=JobKind.EXTRACT, ref=data.ref, digest=data.digest, registry=data.registry, format=data.format)
    return Request(intent, job_id(spec), spec, is_push=True)


def request_for(job: JobDocument) -> Request | None:
    """The newest request in the document of a job that has not ended; None if there is none."""
    status = job.status
    if status.intent is not None:
        return Request(status.intent, job.id, job.spec)
    return Request(status.push, job.id, job.spec, is_push=True) if status.push else None
