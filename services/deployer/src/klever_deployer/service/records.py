"""Records the steps, the outcome and the deletion of a serving in its document, and publishes the events."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Unpack
from weakref import WeakValueDictionary

from klever_deployer.domain.intents import Known, with_status
from klever_deployer.domain.outcomes import UNANNOUNCED, occasion, outcome, step_after
from kleverkit.deletions import Deletions
from kleverkit.documents import Buried, Documents, Stored, change
from kleverkit.publisher import EventPublisher
from kleverproto.base import WireModel
from kleverproto.documents import Intent, Tombstone
from kleverproto.envelope import EventSource
from kleverproto.preconditions import ServingRequestDecided
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import (
    ServingDeleted,
    ServingDocument,
    ServingPhase,
    ServingProgressed,
    ServingStatusChanges,
    serving_key,
)
from kleverproto.subjects import split
from kleverroutes.versions import ServingName

from .copies import Copies

Present = Stored[ServingDocument] | Buried[ServingDocument] | None
Decide = Callable[[Known], ServingDocument | Tombstone[ServingDocument] | None]


class SupersededError(Exception):
    """A newer intent was recorded; the current work is no longer wanted."""


@dataclass(frozen=True)
class Records:
    """The documents in `klever-servings`, a copy of each, and the events about them."""

    documents: Documents[ServingDocument]
    publisher: EventPublisher
    events: EventSource
    clock: Callable[[], datetime]
    copies: Copies
    _locks: WeakValueDictionary[ServingName, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    @cached_property
    def deletions(self) -> Deletions[ServingDocument]:
        """The deletions of servings."""
        return Deletions(
            self.documents,
            self._announce_deletion,
            self.clock,
            lambda key, decide: self.change(name_of_key(key), decide),
        )

    async def find(self, serving: ServingName) -> Present:
        """The present document or tombstone. Raises TransientError."""
        return await self.documents.find(key_of(serving))

    async def read(self, serving: ServingName) -> ServingDocument | None:
        """The present document. Raises TransientError."""
        stored = await self.documents.get(key_of(serving))
        return stored.document if stored else None

    async def change(self, serving: ServingName, decide: Decide) -> Present:
        """Change the stored document or tombstone, and keep a copy of the result. Raises TransientError."""
        lock = self._locks.setdefault(serving, asyncio.Lock())
        async with lock:  # so that copies are kept in the order of the changes
            stored = await change(self.documents, key_of(serving), decide)
            await self.keep(serving, stored)
        return stored

    async def keep(self, serving: ServingName, stored: Present) -> None:
        """Keep a copy of the stored document or tombstone; if there is neither, keep the last copy."""
        if stored is not None:
            await self.copies.keep(serving, stored.document if isinstance(stored, Stored) else stored.tombstone)

    async def alter(
        self, document: ServingDocument, alter: Callable[[ServingDocument], ServingDocument]
    ) -> ServingDocument:
        """Change a document that was read before, in its present state.

        Raises:
            SupersededError: another intent was recorded meanwhile, or the document was removed.
            TransientError: the bucket cannot be reached.
        """
        serving = name_of(document)

        def decide(present: Known) -> ServingDocument | None:
            if not isinstance(present, ServingDocument) or present.status.intent != document.status.intent:
                raise SupersededError(str(serving))
            altered = alter(present)
            return None if altered == present else altered

        stored = await self.change(serving, decide)
        if not isinstance(stored, Stored):
            raise SupersededError(str(serving))
        return stored.document

    async def update(self, document: ServingDocument, **changes: Unpack[ServingStatusChanges]) -> ServingDocument:
        """Change the status of a document that was read before. Raises as `alter`."""
        now = self.clock()
        return await self.alter(document, lambda present: with_status(present, now, **changes))

    async def record_spec(self, document: ServingDocument, spec: ServingSpec) -> ServingDocument:
        """Record the digests of a spec's tags. Raises as `alter`."""
        now = self.clock()
        return await self.alter(
            document, lambda present: present.replace(spec=spec, updated_at=now) if present.spec != spec else present
        )

    async def step(self, document: ServingDocument, step: str) -> ServingDocument:
        """Record a step of a rollout, and publish it. Raises as `alter`."""
        document = await self.update(document, phase=ServingPhase.PROGRESSING, step=step)
        progressed = ServingProgressed(
            namespace=document.namespace,
            name=document.name,
            generation=document.generation,
            step=step,
            rollout=document.status.rollout,
        )
        await self.publish(document, progressed, step)
        return document

    async def settle(self, document: ServingDocument, **changes: Unpack[ServingStatusChanges]) -> ServingDocument:
        """Record the outcome of a rollout, and publish it. Raises as `alter`."""
        return await self.announce(await self.update(document, **(changes | {"step": UNANNOUNCED})))

    async def announce(self, document: ServingDocument) -> ServingDocument:
        """Publish a recorded outcome, and record that it is published. Raises as `alter`."""
        await self.publish(document, outcome(document), occasion(document))
        return await self.update(document, step=step_after(document))

    async def bury(self, document: ServingDocument) -> None:
        """Record that a serving is removed, and publish it. Raises as `alter`."""
        serving, now = name_of(document), self.clock()

        def decide(present: Known) -> Tombstone[ServingDocument] | None:
            if isinstance(present, Tombstone):
                return None
            if present is None or present.status.intent != document.status.intent:
                raise SupersededError(str(serving))
            return Tombstone[ServingDocument](document=present, intent=present.status.intent, deleted_at=now)

        stored = await self.change(serving, decide)
        if isinstance(stored, Buried):
            await self.deletions.finish(stored.key, stored.tombstone)

    async def _announce_deletion(self, key: str, tombstone: Tombstone[ServingDocument]) -> None:
        serving = name_of_key(key)
        deleted = ServingDeleted(namespace=serving.namespace, name=serving.name)
        await self._publish(serving, tombstone.intent, deleted)

    async def announce_decision(self, serving: ServingName, intent: Intent, decided: ServingRequestDecided) -> None:
        """Publish the decision about a request; NATS drops a duplicate. Raises TransientError."""
        await self._publish(serving, intent, decided)

    async def publish(self, document: ServingDocument, data: WireModel, step: str = "") -> None:
        """Publish an event that is caused by the document's intent; a repeated step has the same event id."""
        await self._publish(name_of(document), document.status.intent, data, str(document.generation), step)

    async def _publish(self, serving: ServingName, intent: Intent | None, data: WireModel, *parts: str) -> None:
        cause = intent.event_id if intent else key_of(serving)
        correlation = intent.correlation_id if intent else cause
        await self.publisher.publish(self.events.caused_by_ids(cause, correlation, data, *parts))


def name_of(document: ServingDocument) -> ServingName:
    """The serving that a document describes."""
    return ServingName(document.namespace, document.name)


def key_of(serving: ServingName) -> str:
    """The serving's key in the bucket."""
    return serving_key(serving.namespace, serving.name)


def name_of_key(key: str) -> ServingName:
    """The serving that has this key in the bucket."""
    return ServingName(*split(key))
