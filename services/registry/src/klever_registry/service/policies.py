"""What people want to happen to the models of a project."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import structlog

from klever_registry.errors import StorageError
from klever_registry.ports import PolicyCopies
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

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Policies:
    """Keeps the policies of projects; of each accepted one there is a copy outside NATS."""

    documents: Documents[ProjectDocument]
    publisher: EventPublisher
    events: EventSource
    clock: Callable[[], datetime]
    copies: PolicyCopies
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def requested(self, event: Event[ProjectPolicyRequested], intent: Intent) -> None:
        """Take a policy and publish it, unless a later request was handled before. Raises TransientError."""
        wanted, now = event.data, self.clock()
        spec = ProjectSpec(name=wanted.project, policy=wanted.policy)
        key = subjects.escape(wanted.project)
        async with self._lock:
            present = await self.documents.get(key)
            if (planned := with_spec(present.document if present else None, spec, intent, now)) is not None:
                await self._keep(key, planned)  # first, so that the bucket never holds what has no copy
            stored = await mutate(self.documents, key, lambda present: with_spec(present, spec, intent, now))
            if stored is None or stored.document.status.intent != intent:
                return
        changed = ProjectPolicyChanged(project=wanted.project, policy=wanted.policy)
        await self.publisher.publish(self.events.caused_by(event, changed))

    async def restore(self, *, is_older: bool) -> None:
        """Bring back what the bucket has lost, and copy what has no copy. Raises TransientError.

        Args:
            is_older: whether the bucket is another one or from a backup, so that the copies are newer.
        """
        async with self._lock:
            copies = await self.copies.all()
            for key, copy in copies.items():
                await change(self.documents, key, partial(restored, copy=copy, is_older=is_older))
            for stored in await self.documents.all():
                if copies.get(stored.key) != stored.document:
                    await self._keep(stored.key, stored.document)

    async def _keep(self, key: str, document: ProjectDocument) -> None:
        """Copy a project; where the disk takes no more, that is done when it does."""
        try:
            await self.copies.keep(key, document)
        except StorageError as error:
            log.warning("policy not copied", project=document.spec.name, error=str(error))


def with_spec(
    present: ProjectDocument | None, spec: ProjectSpec, intent: Intent, now: datetime
) -> ProjectDocument | None:
    """The project with another spec; None where the request is late."""
    status = ProjectStatus(intent=intent)
    if present is None:
        return ProjectDocument(spec=spec, status=status, created_at=now, updated_at=now)
    if is_late(present.status.intent, intent):
        return None
    if present.spec == spec:
        return present.model_copy(update={"status": status})
    generation = present.generation + 1
    return present.model_copy(update={"spec": spec, "status": status, "generation": generation, "updated_at": now})


def restored(
    present: "ProjectDocument | Tombstone[ProjectDocument] | None", *, copy: ProjectDocument, is_older: bool
) -> ProjectDocument | None:
    """The project as its copy says; None where it has its policy, or was deleted.

    Its place in the stream is forgotten, since the stream may be another one by now and count from 1 again.
    """
    bare = copy.model_copy(update={"status": ProjectStatus()})
    if present is None:
        return bare
    if isinstance(present, Tombstone) or not is_older:
        return None
    return None if present.model_copy(update={"status": ProjectStatus()}) == bare else bare
