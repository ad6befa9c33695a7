"""Requests, recorded: each is decided on inside the compare-and-set, by its place in the stream."""

from dataclasses import dataclass

from klever_deployer.domain import intents
from klever_deployer.domain.intents import Known
from klever_deployer.domain.versions import ServingName
from kleverkit.documents import Stored
from kleverproto.documents import Intent, Tombstone, is_late
from kleverproto.references import ModelRef
from kleverproto.rollouts import RolloutAction
from kleverproto.servings import Followed, ServingDocument, ServingRequested

from .records import Decide, Records


class _UnannouncedDeletionError(Exception):
    def __init__(self, tombstone: Tombstone[ServingDocument]) -> None:
        super().__init__()
        self.tombstone = tombstone


@dataclass(frozen=True)
class Intents:
    """Records what is wanted; the reconciler does it. All methods raise TransientError.

    Args:
        records: where it is recorded.
    """

    records: Records

    async def request(self, request: ServingRequested, intent: Intent) -> None:
        """Record that a spec is wanted; a late request changes nothing."""
        serving, now = ServingName(request.namespace, request.name), self.records.clock()
        await self._record(serving, intent, lambda present: intents.requested(present, request, intent, now))

    async def request_deletion(self, serving: ServingName, intent: Intent) -> None:
        """Record that the serving is to go; a late request changes nothing."""
        now = self.records.clock()
        await self._record(serving, intent, lambda present: intents.deletion_requested(present, intent, now))

    async def steer(self, serving: ServingName, generation: int, action: RolloutAction, intent: Intent) -> None:
        """Record what someone wants of the rollout of a generation; a late request changes nothing."""
        now = self.records.clock()
        await self._record(serving, intent, lambda present: intents.steered(present, generation, action, intent, now))

    async def follow(self, serving: ServingName, ref: ModelRef, push: Followed, cause: Intent) -> bool:
        """Record that a tag names another manifest, which is wanted now; a push that is known changes nothing.

        Args:
            serving: one that follows its tags.
            ref: the tag.
            push: what it names.
            cause: the event that said so.

        Returns:
            Whether the serving is what this cause asks for.
        """
        now = self.records.clock()
        stored = await self.records.change(serving, lambda present: intents.pushed(present, push, str(ref), cause, now))
        known = stored.document.status.intent if isinstance(stored, Stored) else None
        return known is not None and known.event_id == cause.event_id

    async def _record(self, serving: ServingName, intent: Intent, decide: Decide) -> None:
        """Decide; but before a tombstone is replaced, publish its deletion where a crash prevented that.

        What the bucket has lost is still known here. So is a tombstone that it has forgotten, for as long as the stream
        may hold requests from before it: a consumer that was created anew delivers them once more.
        """

        def decide_in_order(present: Known) -> ServingDocument | Tombstone[ServingDocument] | None:
            present = present or self.records.copies.last(serving)
            if isinstance(present, Tombstone) and not present.announced and not is_late(present.intent, intent):
                raise _UnannouncedDeletionError(present)
            return decide(present)

        while True:
            try:
                await self.records.change(serving, decide_in_order)
            except _UnannouncedDeletionError as error:
                await self.records.announce_deletion(serving, error.tombstone)
            else:
                return
