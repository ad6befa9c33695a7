"""What an event asks for."""

from dataclasses import dataclass
from typing import Any

from kleverproto.documents import Intent
from kleverproto.envelope import Event
from kleverproto.job_ids import job_id
from kleverproto.jobs import JobDocument, JobKind, JobRequested, JobSpec
from kleverproto.models import ModelPushed


@dataclass(frozen=True)
class Request:
    """A job that an event asks for."""

    intent: Intent
    """The event, and its place in its stream."""
    job: str
    """The job's id."""
    spec: JobSpec
    again: bool = False
    """Do it again even if what the bytes decided was an error."""
    is_push: bool = False
    """The event is a push: its place is one in KLEVER_MODELS, and says nothing beside those of KLEVER_JOBS."""


def intent_of(event: Event[Any], sequence: int) -> Intent:
    """The event as a cause of others; one without a correlation id begins a correlation."""
    return Intent(sequence=sequence, event_id=event.id, correlation_id=event.correlation_id or event.id)


def request_of(event: Event[ModelPushed] | Event[JobRequested], sequence: int) -> Request:
    """The job that an event asks for. A push asks for the extraction of its bytes: one job, whatever the tag.

    Args:
        event: a push, or a request.
        sequence: its place in its stream.
    """
    data, intent = event.data, intent_of(event, sequence)
    if isinstance(data, JobRequested):
        return Request(intent, data.id, data.spec, again=data.again)
    spec = JobSpec(kind=JobKind.EXTRACT, ref=data.ref, digest=data.digest, registry=data.registry, format=data.format)
    return Request(intent, job_id(spec), spec, is_push=True)


def request_for(job: JobDocument) -> Request | None:
    """The newest request for a job that has not ended, as its document names it; None where it names none."""
    status = job.status
    if status.intent is not None:
        return Request(status.intent, job.id, job.spec)
    return Request(status.push, job.id, job.spec, is_push=True) if status.push else None
