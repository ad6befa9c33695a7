"""What people want to happen to the models of a project."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import structlog

from klever_registry.errors import StorageError
from klever_registry.ports import Locks, PolicyCopies
from kleverkit.documents import Documents, change, mutate
from kleverkit.publisher import EventPublisher
from kleverproto import subjects
from kleverproto.documents import Intent, Tombstone, is_late
from kleverproto.envelope import Event, EventSource
from kleverproto.projects import (
    ProjectDocument,
    ProjectPolicyChanged,
    ProjectPolicyRequested,
    ProjectSpec,
    ProjectStatus,
)
from kleverproto.streams import PROJECTS_BUCKET

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Policies:
    """Keeps the policies of projects; of each accepted one there is a copy outside NATS."""

    documents: Documents[ProjectDocument]
    publisher: EventPublisher
    events: EventSource
    clock: Callable[[], datetime]
    copies: PolicyCopies
    locks: Locks

    async def requested(self, event: Event[ProjectPolicyRequested], intent: Intent) -> None:
        """Take a policy and publish it, unless a later request was handled before. Raises TransientError."""
        wanted, now, asked_at = event.data, self.clock(), event.time
        spec = ProjectSpec(name=wanted.project, policy=wanted.policy)
        key = subjects.escape(wanted.project)
        async with self.locks.exclusive(PROJECTS_BUCKET.name):
            present = await self.documents.get(key)
            before = present.document if present else None
            if (planned := with_spec(before, spec, intent, now, asked_at)) is not None:
                await self._keep(key, planned)  # first, so that the bucket never holds what has no copy
            stored = await mutate(self.documents, key, lambda present: with_spec(present, spec, intent, now, asked_at))
            if stored is None or stored.document.status.intent != intent:
                return
        changed = ProjectPolicyChanged(project=wanted.project, policy=wanted.policy)
        await self.publisher.publish(self.events.caused_by(event, changed))

    async def restore(self) -> None:
        """Bring back what the bucket has lost, or has in an older state; copy the rest. Raises TransientError."""
        async with self.locks.exclusive(PROJECTS_BUCKET.name):
            copies = await self.copies.all()
            hidden = (await self.documents.listing()).unreadable
            for entry in hidden:
                log.error("a project cannot be read and is left alone", key=entry.key, error=entry.why)
            for key in copies.keys() - {entry.key for entry in hidden}:
                await change(self.documents, key, partial(restored, copy=copies[key]))
            for stored in (await self.documents.listing()).documents:
                if copies.get(stored.key) != stored.document:
                    await self._keep(stored.key, stored.document)

    async def _keep(self, key: str, document: ProjectDocument) -> None:
        """Copy a project; where the disk takes no more, that is done when it does."""
        try:
            await self.copies.keep(key, document)
        except StorageError as error:
            log.warning("policy not copied", project=document.spec.name, error=str(error))


def with_spec(
    present: ProjectDocument | None, spec: ProjectSpec, intent: Intent, now: datetime, asked_at: datetime
) -> ProjectDocument | None:
    """The project with another spec, that someone asked for at a moment; None where the request is late."""
    status = ProjectStatus(intent=intent, converts_since=_converts_since(present, spec, asked_at))
    if present is None:
        return ProjectDocument(spec=spec, status=status, created_at=now, updated_at=now)
    if is_late(present.status.intent, intent):
        return None
    if present.spec == spec:
        return present.replace(status=status)
    generation = present.generation + 1
    return present.replace(spec=spec, status=status, generation=generation, updated_at=now)


def _converts_since(present: ProjectDocument | None, spec: ProjectSpec, asked_at: datetime) -> dict[str, datetime]:
    """What was wanted already is wanted since then, unless its results are to be of another size."""
    is_alike = present is not None and present.spec.policy.quantize == spec.policy.quantize
    known = present.status.converts_since if present is not None and is_alike else {}
    return {target: known.get(target, asked_at) for target in spec.policy.convert}


def restored(
    present: "ProjectDocument | Tombstone[ProjectDocument] | None", *, copy: ProjectDocument
) -> ProjectDocument | None:
    """The project as its copy says; None where it is as new, or was deleted.

    Its place in the stream is forgotten, since the stream may be an older one too, and give places again.
    """
    if isinstance(present, Tombstone) or (present is not None and present.generation >= copy.generation):
        return None
    return copy.replace(status=copy.status.replace(intent=None))
