"""The table of all event types: name, model, subject and stream.

Producers and consumers follow from other tables. The schemas, AsyncAPI, docs/events.md, the encoder and the tests
follow from this one.
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
    """An event type of the contract."""

    data: type[WireModel]
    context: str
    event: str
    """Name of the event in the subject: lower case, past participle for facts."""
    names: Callable[[Any], tuple[str, ...]]
    """Returns the names at the end of the subject for the data of an event."""
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
        """The subject filter for all events of this type."""
        return subjects.every(self.context, self.event)

    @property
    def producers(self) -> tuple[str, ...]:
        """Services that may publish the event; `any` for external systems."""
        return producers_of(self.data)

    @property
    def consumers(self) -> tuple[str, ...]:
        """Services with a consumer for the event, then those that read its whole stream."""
        services = [each.service for each in CONSUMERS if subjects.covers(self.filter, each.subject)]
        return tuple(dict.fromkeys([*services, *self.stream.readers]))

    def subject(self, data: WireModel) -> str:
        """Return the NATS subject for an event with this data."""
        return subjects.subject(self.context, self.event, *self.names(data))

    def about(self, *names: str) -> str:
        """Return the subject filter for the events of this type about one object, given by its names."""
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
    """Return an event type. `about` is the context of the names in the subject, if it differs from `context`."""
    return EventType(data=data, context=context, event=event, names=_NAMES[about or context], stream=stream)


class _JobRequestedType(EventType):
    """The subject has the kind before the id, so that each kind of job has its own consumer."""

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
