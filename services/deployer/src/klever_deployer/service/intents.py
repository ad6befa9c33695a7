"""Requests, recorded: each is decided inside the compare-and-set, by its place in the stream and its precondition."""

from collections.abc import Callable
from dataclasses import dataclass

from klever_deployer.domain import intents
from klever_deployer.domain.intents import Known
from klever_deployer.domain.preconditions import generation_of, rejection, steering_rejection
from klever_deployer.domain.versions import ServingName
from kleverkit.documents import Stored
from kleverproto.documents import Intent, Problem, Tombstone
from kleverproto.preconditions import ServingRequestDecided
from kleverproto.references import ModelRef
from kleverproto.rollouts import RolloutAction
from kleverproto.servings import Followed, ServingDeleteRequested, ServingDocument, ServingRequested

from .records import Decide, Present, Records, key_of

Reject = Callable[[Known], Problem | None]
"""Why a request is rejected; None if it is accepted."""


class _RejectedError(Exception):
    def __init__(self, generation: int, problem: Problem) -> None:
        super().__init__()
        self.generation = generation
        self.problem = problem


@dataclass(frozen=True)
class Intents:
    """Records what is wanted; the reconciler does it. All methods raise TransientError.

    A request with a precondition is decided: ServingRequestDecided says whether it was accepted.

    Args:
        records: where it is recorded.
    """

    records: Records

    async def request(self, request: ServingRequested, intent: Intent) -> None:
        """Record that a spec is wanted; a late request changes nothing."""
        serving, now = ServingName(request.namespace, request.name), self.records.clock()
        await self._record_if(
            serving, intent, request.expected_generation, lambda known: intents.requested(known, request, intent, now)
        )

    async def request_deletion(self, request: ServingDeleteRequested, intent: Intent) -> None:
        """Record that the serving is to go; a late request changes nothing."""
        serving, now = ServingName(request.namespace, request.name), self.records.clock()
        await self._record_if(
            serving, intent, request.expected_generation, lambda known: intents.deletion_requested(known, intent, now)
        )

    async def steer(self, serving: ServingName, generation: int, action: RolloutAction, intent: Intent) -> None:
        """Record what someone wants of the rollout of a generation; a late request is rejected."""
        now = self.records.clock()

        def decide(known: Known) -> ServingDocument | None:
            return intents.steered(known, generation, action, intent, now)

        await self._decide(
            serving, intent, decide, lambda known: steering_rejection(serving, known, decide(known), action, intent)
        )

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

    async def _record_if(self, serving: ServingName, intent: Intent, expected: int | None, decide: Decide) -> None:
        """Record a request; one with an expected generation is decided."""
        if expected is None:
            await self._record(serving, decide)
        else:
            await self._decide(serving, intent, decide, lambda known: rejection(serving, known, expected, intent))

    async def _decide(self, serving: ServingName, intent: Intent, decide: Decide, reject: Reject) -> None:
        """Record a request unless it is rejected, and publish the decision."""

        def decide_or_reject(known: Known) -> ServingDocument | Tombstone[ServingDocument] | None:
            if (problem := reject(known)) is not None:
                raise _RejectedError(generation_of(known), problem)
            return decide(known)

        generation, problem = 0, None
        try:
            stored = await self._record(serving, decide_or_reject)
            generation = stored.document.generation if isinstance(stored, Stored) else 0
        except _RejectedError as error:
            generation, problem = error.generation, error.problem
        decided = ServingRequestDecided(
            namespace=serving.namespace, name=serving.name, generation=generation, problem=problem
        )
        await self.records.announce_decision(serving, intent, decided)

    async def _record(self, serving: ServingName, decide: Decide) -> Present:
        """Decide in order.

        What the bucket has lost is still known here. So is a tombstone that it has forgotten, for as long as the stream
        may hold requests from before it: a consumer that was created anew delivers them once more.
        """
        return await self.records.deletions.change(
            key_of(serving), lambda present: decide(present or self.records.copies.last(serving))
        )
