"""What people want to happen to the models of a project."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from kleverkit.documents import Documents, mutate
from kleverkit.publisher import EventPublisher
from kleverproto import subjects
from kleverproto.envelope import Event, EventSource
from kleverproto.projects import (
    ProjectDocument,
    ProjectPolicyChanged,
    ProjectPolicyRequested,
    ProjectSpec,
    ProjectStatus,
)


@dataclass(frozen=True)
class Policies:
    """Keeps the policies of projects."""

    documents: Documents[ProjectDocument]
    publisher: EventPublisher
    events: EventSource
    clock: Callable[[], datetime]

    async def requested(self, event: Event[ProjectPolicyRequested]) -> None:
        """Take a policy, and tell of it. Raises TransientError."""
        wanted, now = event.data, self.clock()
        spec = ProjectSpec(name=wanted.project, policy=wanted.policy)
        await mutate(self.documents, subjects.escape(wanted.project), lambda present: with_spec(present, spec, now))
        changed = ProjectPolicyChanged(project=wanted.project, policy=wanted.policy)
        await self.publisher.publish(self.events.caused_by(event, changed))


def with_spec(present: ProjectDocument | None, spec: ProjectSpec, now: datetime) -> ProjectDocument | None:
    """The project with another spec; None where it has that one."""
    if present is None:
        return ProjectDocument(spec=spec, status=ProjectStatus(), created_at=now, updated_at=now)
    if present.spec == spec:
        return None
    return present.model_copy(update={"spec": spec, "generation": present.generation + 1, "updated_at": now})
