"""A serving's document: intents in, steps and outcomes recorded, events told."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from klever_deployer.domain.following import followed, follows
from klever_deployer.domain.replicas import ServingName
from kleverkit.documents import Documents, mutate
from kleverkit.publisher import EventPublisher
from kleverproto.base import WireModel
from kleverproto.documents import Intent, Tombstone
from kleverproto.envelope import EventSource
from kleverproto.references import ModelRef
from kleverproto.rollouts import RolloutAction, RolloutPhase, RolloutStatus
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import (
    ServingDocument,
    ServingPhase,
    ServingProgressed,
    ServingStatus,
    next_generation,
    serving_key,
)

from .outcomes import UNTOLD, outcome

ENDED = {RolloutPhase.PROMOTED, RolloutPhase.ROLLED_BACK, RolloutPhase.FAILED}


GONE = {ServingPhase.DELETING, ServingPhase.DELETED}


class SupersededError(Exception):
    """A newer intent has come; what was being done is no longer wanted."""


@dataclass(frozen=True)
class Records:
    """Documents in `klever-servings`, and the events about them."""

    documents: Documents[ServingDocument]
    publisher: EventPublisher
    events: EventSource
    clock: Callable[[], datetime]

    async def read(self, serving: ServingName) -> ServingDocument | None:
        """The document now. Raises TransientError."""
        stored = await self.documents.get(_key(serving))
        return stored.document if stored else None

    async def all(self) -> list[ServingDocument]:
        """Every document, tombstones too. Raises TransientError."""
        return [stored.document for stored in await self.documents.all()]

    async def request(self, serving: ServingName, spec: ServingSpec, intent: Intent) -> None:
        """Record that this spec is wanted; a late intent changes nothing. Raises TransientError."""
        now = self.clock()

        def decide(present: ServingDocument | None) -> ServingDocument | None:
            if _is_late(present, intent):
                return None
            return _requested(present, serving, spec, intent, now)

        await mutate(self.documents, _key(serving), decide)

    async def request_deletion(self, serving: ServingName, intent: Intent) -> None:
        """Record that the serving is to go; a late intent, or one for what is gone, changes nothing."""
        now = self.clock()

        def decide(present: ServingDocument | None) -> ServingDocument | None:
            if present is None or _is_late(present, intent) or present.status.phase is ServingPhase.DELETED:
                return None
            return _with_status(present, now, phase=ServingPhase.DELETING, intent=intent, step="")

        await mutate(self.documents, _key(serving), decide)

    async def follow(self, serving: ServingName, ref: ModelRef, digest: str, cause: tuple[str, str]) -> bool:
        """Record that a tag names another manifest, which is wanted now; a push that is known changes nothing.

        Args:
            serving: one that follows its tags.
            ref: the tag.
            digest: what it names.
            cause: id and correlation id of the event that told of it.

        Returns:
            Whether the serving is what this cause asks for.

        Raises:
            TransientError: the bucket cannot be reached.
        """
        now = self.clock()

        def decide(present: ServingDocument | None) -> ServingDocument | None:
            known = present.status.intent if present else None
            if present is None or known is None or present.status.phase in GONE or not follows(present.spec, ref):
                return None
            if present.status.followed.get(str(ref)) == digest:
                return None
            seen = _with_status(present, now, followed={**present.status.followed, str(ref): digest})
            spec = followed(present.spec, ref, digest)
            intent = known.model_copy(update={"event_id": cause[0], "correlation_id": cause[1]})
            return seen if spec == present.spec else _requested(seen, serving, spec, intent, now)

        stored = await mutate(self.documents, _key(serving), decide)
        intent = stored.document.status.intent if stored else None
        return intent is not None and intent.event_id == cause[0]

    async def steer(self, serving: ServingName, generation: int, action: RolloutAction, intent: Intent) -> None:
        """Record what someone wants of the rollout of a generation; a late request changes nothing."""
        now = self.clock()

        def decide(present: ServingDocument | None) -> ServingDocument | None:
            rollout = present.status.rollout if present else None
            if present is None or rollout is None or _is_late(present, intent):
                return None
            if not (rollout.generation == present.generation == generation) or rollout.phase in ENDED:
                return None
            return _with_status(present, now, rollout=_steered(rollout, action), intent=intent)

        await mutate(self.documents, _key(serving), decide)

    async def resolved(self, document: ServingDocument, spec: ServingSpec) -> ServingDocument:
        """Record the digests of a spec's tags. Raises as `update`."""
        now, serving = self.clock(), ServingName(document.namespace, document.name)

        def decide(present: ServingDocument | None) -> ServingDocument | None:
            if present is None or present.status.intent != document.status.intent:
                raise SupersededError(str(serving))
            return present.model_copy(update={"spec": spec, "updated_at": now}) if present.spec != spec else None

        stored = await mutate(self.documents, _key(serving), decide)
        if stored is None:
            raise SupersededError(str(serving))
        return stored.document

    async def step(self, document: ServingDocument, step: str) -> ServingDocument:
        """Record a step of a rollout, and tell it. Raises as `update`."""
        document = await self.update(document, phase=ServingPhase.PROGRESSING, step=step)
        progressed = ServingProgressed(
            namespace=document.namespace,
            name=document.name,
            generation=document.generation,
            step=step,
            rollout=document.status.rollout,
        )
        await self.tell(document, progressed, step)
        return document

    async def update(self, document: ServingDocument, **changes: Any) -> ServingDocument:
        """Change the status of the document that was read.

        Raises:
            SupersededError: another intent was recorded meanwhile.
            TransientError: the bucket cannot be reached.
        """
        now, serving = self.clock(), ServingName(document.namespace, document.name)

        def decide(present: ServingDocument | None) -> ServingDocument | None:
            if present is None or present.status.intent != document.status.intent:
                raise SupersededError(str(serving))
            changed = _with_status(present, now, **changes)
            return None if changed.status == present.status else changed

        stored = await mutate(self.documents, _key(serving), decide)
        if stored is None:
            raise SupersededError(str(serving))
        return stored.document

    async def settle(self, document: ServingDocument, **changes: Any) -> ServingDocument:
        """Record how a rollout ended, and tell it. Raises as `update`."""
        return await self.announce(await self.update(document, step=UNTOLD, **changes))

    async def announce(self, document: ServingDocument) -> ServingDocument:
        """Tell an outcome that is recorded, and record that it is told. Raises as `update`."""
        await self.tell(document, outcome(document))
        return await self.update(document, step=document.status.phase.lower())

    async def purge(self, older_than: datetime) -> None:
        """Remove tombstones from before a moment."""
        for stored in await self.documents.all():
            document = stored.document
            if document.status.phase is ServingPhase.DELETED and document.updated_at < older_than:
                tombstone = Tombstone[ServingDocument](
                    document=document, announced=True, deleted_at=document.updated_at
                )
                await self.documents.bury(stored.key, tombstone, stored.revision)

    async def tell(self, document: ServingDocument, data: WireModel, step: str = "") -> None:
        """Publish an event that follows from the document's intent; the same step again is the same event."""
        intent = document.status.intent
        cause = intent.event_id if intent else _key(ServingName(document.namespace, document.name))
        correlation = intent.correlation_id if intent else cause
        event = self.events.following(cause, correlation, data, str(document.generation), step)
        await self.publisher.publish(event)


def _key(serving: ServingName) -> str:
    return serving_key(serving.namespace, serving.name)


def _is_late(present: ServingDocument | None, intent: Intent) -> bool:
    known = present.status.intent if present else None
    return known is not None and intent.sequence <= known.sequence


def _requested(
    present: ServingDocument | None, serving: ServingName, spec: ServingSpec, intent: Intent, now: datetime
) -> ServingDocument:
    generation = next_generation(present, spec)
    if present is None:
        status = ServingStatus(intent=intent)
        return ServingDocument(
            namespace=serving.namespace, name=serving.name, spec=spec, status=status, created_at=now, updated_at=now
        )
    if generation == present.generation:
        return _with_status(present, now, intent=intent)
    changed = present.model_copy(update={"spec": spec, "generation": generation})
    return _with_status(changed, now, phase=ServingPhase.PENDING, intent=intent, problem=None, step="")


def _with_status(document: ServingDocument, now: datetime, **changes: Any) -> ServingDocument:
    status = document.status.model_copy(update=changes)
    return document.model_copy(update={"status": status, "updated_at": now})


def _steered(rollout: RolloutStatus, action: RolloutAction) -> RolloutStatus:
    if action in {RolloutAction.PAUSE, RolloutAction.RESUME}:
        return rollout.model_copy(update={"paused": action is RolloutAction.PAUSE})
    return rollout.model_copy(update={"action": action})
