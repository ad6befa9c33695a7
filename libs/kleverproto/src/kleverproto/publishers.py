"""Publishers of events: services and external systems.

The catalogue, the permissions on NATS and `EventSource` follow from this table. A test compares it with the code of
the services.
"""

from . import jobs, models, preconditions, projects, servings
from .base import WireModel
from .deadletters import DeadLettered
from .streams import CONSUMERS

PUBLISHERS: dict[str, tuple[type[WireModel], ...]] = {
    "registry": (models.ModelPushed, models.ModelUpdated, models.ModelDeleted, projects.ProjectPolicyChanged),
    "jobrunner": (
        jobs.JobRequested,
        jobs.JobStarted,
        jobs.JobLogged,
        jobs.JobCompleted,
        jobs.JobFailed,
        jobs.JobCancelled,
        jobs.JobDeleted,
    ),
    "deployer": (
        jobs.JobRequested,
        servings.ServingLogged,
        preconditions.ServingRequestDecided,
        servings.ServingProgressed,
        servings.ServingReady,
        servings.ServingUnavailable,
        servings.ServingFailed,
        servings.ServingRolledBack,
        servings.ServingDeleted,
        servings.TrafficShifted,
    ),
    "gateway": (
        models.ModelDeleteRequested,
        projects.ProjectPolicyRequested,
        jobs.JobRequested,
        jobs.JobCancelRequested,
        jobs.JobDeleteRequested,
        servings.ServingRequested,
        servings.ServingDeleteRequested,
        servings.ServingRolloutRequested,
    ),
}
"""Data of the published events by service, without dead letters."""

ANY = "any"
"""The producer that stands for all external systems."""
EXTERNAL = (models.ModelPushed, *PUBLISHERS["gateway"])
"""Events that external systems may publish: pushes to their own registries, and all requests."""


def producers_of(data: type[WireModel]) -> tuple[str, ...]:
    """Return the publishers of an event: services, then ANY. Every service with a consumer publishes dead letters."""
    if data is DeadLettered:
        return tuple(name for name in PUBLISHERS if any(consumer.service == name for consumer in CONSUMERS))
    services = [name for name, published in PUBLISHERS.items() if data in published]
    return (*services, *([ANY] if data in EXTERNAL else []))
