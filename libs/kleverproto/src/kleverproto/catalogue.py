"""Every event type: its name, model, subject and stream; its producers and consumers follow from other tables.

Schemas, AsyncAPI, docs/events.md, the encoder and the tests are all fed from this table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from . import deadletters, jobs, models, preconditions, projects, servings, subjects
from .base import WireModel
from .publishers import producers_of
from .streams import CONSUMERS, DEAD, JOBS, LOGS, MODELS, SERVINGS, StreamSpec

SCHEMA_BASE = "https://klever.dev/schemas"


@dataclass(frozen=True, kw_only=True)
class EventType:
    """One line of the contract."""

    data: type[WireModel]
    context: str
    event: str
    """The event's name in the subject: lower case, past participle for facts."""
    names: Callable[[Any], tuple[str, ...]]
    """Data to the names that end the subject."""
    stream: StreamSpec
    version: int = 1

    @property
    def type(self) -> str:
        """The CloudEvents `type`."""
        return f"dev.klever.{self.context}.{self.event}.v{self.version}"

    @property
    def schema_file(self) -> str:
        """File name of the JSON Schema of the data."""
        return f"{self.context}.{self.event}.v{self.version}.schema.json"

    @property
    def dataschema(self) -> str:
        """The CloudEvents `dataschema`."""
        return f"{SCHEMA_BASE}/{self.schema_file}"

    @property
    def filter(self) -> str:
        """The subject filter that takes every event of this type."""
        return subjects.every(self.context, self.event)

    @property
    def producers(self) -> tuple[str, ...]:
        """Who may publish it."""
        return producers_of(self.data)

    @property
    def consumers(self) -> tuple[str, ...]:
        """Services with a consumer that takes it, then those that read its stream."""
        taking = [each.service for each in CONSUMERS if subjects.covers(self.filter, each.subject)]
        return tuple(dict.fromkeys([*taking, *self.stream.readers]))

    def subject(self, data: WireModel) -> str:
        """The NATS subject for this data."""
        return subjects.subject(self.context, self.event, *self.names(data))

    def about(self, *names: str) -> str:
        """The subject filter that takes the events of this type about the thing that the names name."""
        return subjects.subject(self.context, self.event, *names)


def _model(data: Any) -> tuple[str, ...]:
    return data.ref.project, data.ref.model


def _project(data: Any) -> tuple[str, ...]:
    return (data.project,)


def _job(data: Any) -> tuple[str, ...]:
    return (data.id,)


def _serving(data: Any) -> tuple[str, ...]:
    return data.namespace, data.name


def _dead(data: Any) -> tuple[str, ...]:
    return (data.stream,)


_NAMES = {"model": _model, "project": _project, "job": _job, "serving": _serving, "dead": _dead}


def _event(data: type[WireModel], context: str, event: str, stream: StreamSpec, *, about: str = "") -> EventType:
    """A row of the table; `about` is the context whose names end the subject, where that is another one."""
    return EventType(data=data, context=context, event=event, names=_NAMES[about or context], stream=stream)


class _JobRequestedType(EventType):
    """The kind comes before the name, so that each kind of job has a consumer, and waits for no other."""

    def subject(self, data: WireModel) -> str:
        kind = cast("jobs.JobRequested", data).spec.kind
        return subjects.subject(self.context, self.event, kind.value, *self.names(data))

    def about(self, *names: str) -> str:
        return subjects.any_kind(self.context, self.event, *names)


class _DeadLetterType(EventType):
    """Dead letters have no event token in their subject: `klever.dead.<stream>`."""

    @property
    def filter(self) -> str:
        return subjects.every("dead")

    def subject(self, data: WireModel) -> str:
        return subjects.dead(*self.names(data))


EVENT_TYPES: tuple[EventType, ...] = (
    _event(models.ModelPushed, "model", "pushed", MODELS),
    _event(models.ModelUpdated, "model", "updated", MODELS),
    _event(models.ModelDeleteRequested, "model", "deleterequested", MODELS),
    _event(models.ModelDeleted, "model", "deleted", MODELS),
    _event(projects.ProjectPolicyRequested, "project", "policyrequested", MODELS),
    _event(projects.ProjectPolicyChanged, "project", "policychanged", MODELS),
    _JobRequestedType(data=jobs.JobRequested, context="job", event="requested", names=_job, stream=JOBS),
    _event(jobs.JobCancelRequested, "job", "cancelrequested", JOBS),
    _event(jobs.JobDeleteRequested, "job", "deleterequested", JOBS),
    _event(jobs.JobStarted, "job", "started", JOBS),
    _event(jobs.JobCompleted, "job", "completed", JOBS),
    _event(jobs.JobFailed, "job", "failed", JOBS),
    _event(jobs.JobCancelled, "job", "cancelled", JOBS),
    _event(jobs.JobDeleted, "job", "deleted", JOBS),
    _event(jobs.JobLogged, "log", "written", LOGS, about="job"),
    _event(servings.ServingLogged, "log", "served", LOGS, about="serving"),
    _event(servings.ServingRequested, "serving", "requested", SERVINGS),
    _event(servings.ServingDeleteRequested, "serving", "deleterequested", SERVINGS),
    _event(servings.ServingRolloutRequested, "serving", "rolloutrequested", SERVINGS),
    _event(preconditions.ServingRequestDecided, "serving", "requestdecided", SERVINGS),
    _event(servings.ServingProgressed, "serving", "progressed", SERVINGS),
    _event(servings.ServingReady, "serving", "ready", SERVINGS),
    _event(servings.ServingUnavailable, "serving", "unavailable", SERVINGS),
    _event(servings.ServingFailed, "serving", "failed", SERVINGS),
    _event(servings.ServingRolledBack, "serving", "rolledback", SERVINGS),
    _event(servings.ServingDeleted, "serving", "deleted", SERVINGS),
    _event(servings.TrafficShifted, "serving", "trafficshifted", SERVINGS),
    _DeadLetterType(data=deadletters.DeadLettered, context="dead", event="lettered", names=_dead, stream=DEAD),
)

BY_DATA = {event_type.data: event_type for event_type in EVENT_TYPES}
BY_TYPE = {event_type.type: event_type for event_type in EVENT_TYPES}
