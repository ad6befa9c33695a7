"""Requests, recorded: each is decided on inside the compare-and-set, by its place in the stream."""

from dataclasses import dataclass

from klever_deployer.domain import intents
from klever_deployer.domain.replicas import ServingName
from kleverkit.documents import Stored
from kleverproto.documents import Intent
from kleverproto.references import ModelRef
from kleverproto.rollouts import RolloutAction
from kleverproto.servings import Followed, ServingRequested

from .records import Decide, Records, key_of


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
        await self._record(serving, lambda present: intents.requested(present, request, intent, now))

    async def request_deletion(self, serving: ServingName, intent: Intent) -> None:
        """Record that the serving is to go; a late request changes nothing."""
        now = self.records.clock()
        await self._record(serving, lambda present: intents.deletion_requested(present, intent, now))

    async def steer(self, serving: ServingName, generation: int, action: RolloutAction, intent: Intent) -> None:
        """Record what someone wants of the rollout of a generation; a late request changes nothing."""
        now = self.records.clock()
        await self._record(serving, lambda present: intents.steered(present, generation, action, intent, now))

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

    async def _record(self, serving: ServingName, decide: Decide) -> None:
        """Decide in order.

        What the bucket has lost is still known here. So is a tombstone that it has forgotten, for as long as the stream
        may hold requests from before it: a consumer that was created anew delivers them once more.
        """
        await self.records.deletions.change(
            key_of(serving), lambda present: decide(present or self.records.copies.last(serving))
        )
