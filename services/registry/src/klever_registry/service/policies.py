"""Policies of projects."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import structlog

from klever_registry.errors import StorageError
from klever_registry.ports import Copies, Locks
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
    """Stores the policies of projects, each with a copy outside NATS."""

    documents: Documents[ProjectDocument]
    publisher: EventPublisher
    events: EventSource
    clock: Callable[[], datetime]
    copies: Copies[ProjectDocument]
    locks: Locks

    async def handle_request(self, event: Event[ProjectPolicyRequested], intent: Intent) -> None:
        """Store a policy and publish the change, unless a later request was handled before. Raises TransientError."""
        request, now, requested_at = event.data, self.clock(), event.time
        spec = ProjectSpec(name=request.project, policy=request.policy)
        key = subjects.escape(request.project)
        async with self.locks.exclusive(PROJECTS_BUCKET.name):
            present = await self.documents.get(key)
            before = present.document if present else None
            if (planned := with_spec(before, spec, intent, now, requested_at)) is not None:
                await self._keep(key, planned)  # first, so that every policy in the bucket has a copy
            stored = await mutate(
                self.documents, key, lambda present: with_spec(present, spec, intent, now, requested_at)
            )
            if stored is None or stored.document.status.intent != intent:
                return
        changed = ProjectPolicyChanged(project=request.project, policy=request.policy)
        await self.publisher.publish(self.events.caused_by(event, changed))

    async def restore(self) -> None:
        """Restore documents that are missing or older in the bucket, and copy the others. Raises TransientError."""
        async with self.locks.exclusive(PROJECTS_BUCKET.name):
            copies = await self.copies.all()
            hidden = (await self.documents.listing()).unreadable
            for entry in hidden:
                log.error("project is unreadable and not changed", key=entry.key, error=entry.why)
            for key in copies.keys() - {entry.key for entry in hidden}:
                await change(self.documents, key, partial(restored, copy=copies[key]))
            for stored in (await self.documents.listing()).documents:
                if copies.get(stored.key) != stored.document:
                    await self._keep(stored.key, stored.document)

    async def _keep(self, key: str, document: ProjectDocument) -> None:
        """Copy a project. If the disk is full, `restore` copies it later."""
        try:
            await self.copies.keep(key, document)
        except StorageError as error:
            log.warning("policy not copied", project=document.spec.name, error=str(error))


def with_spec(
    present: ProjectDocument | None, spec: ProjectSpec, intent: Intent, now: datetime, requested_at: datetime
) -> ProjectDocument | None:
    """Return the project with the spec requested at a time; None if the request is late."""
    status = ProjectStatus(intent=intent, converts_since=_converts_since(present, spec, requested_at))
    if present is None:
        return ProjectDocument(spec=spec, status=status, created_at=now, updated_at=now)
    if is_late(present.status.intent, intent):
        return None
    if present.spec == spec:
        return present.replace(status=status)
    generation = present.generation + 1
    return present.replace(spec=spec, status=status, generation=generation, updated_at=now)


def _converts_since(present: ProjectDocument | None, spec: ProjectSpec, requested_at: datetime) -> dict[str, datetime]:
    """Return the request times of the targets. Present targets keep theirs unless the quantization changes."""
    is_unchanged = present is not None and present.spec.policy.quantize == spec.policy.quantize
    known = present.status.converts_since if present is not None and is_unchanged else {}
    return {target: known.get(target, requested_at) for target in spec.policy.convert}


def restored(
    present: "ProjectDocument | Tombstone[ProjectDocument] | None", *, copy: ProjectDocument
) -> ProjectDocument | None:
    """Return the project from its copy; None if the present one is not older, or was deleted.

    The sequence of its request is removed: if the stream was also restored, it assigns the same sequences again.
    """
    if isinstance(present, Tombstone) or (present is not None and present.generation >= copy.generation):
        return None
    return copy.replace(status=copy.status.replace(intent=None))
