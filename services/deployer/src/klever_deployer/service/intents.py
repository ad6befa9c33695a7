"""Records requests: the compare-and-set decides each by its position in the stream and its precondition."""

from collections.abc import Callable
from dataclasses import dataclass

from klever_deployer.domain import intents
from klever_deployer.domain.intents import Known
from klever_deployer.domain.preconditions import generation_of, rejection, steering_rejection
from klever_deployer.domain.stages import stage_of
from kleverkit.documents import Stored
from kleverproto.documents import Intent, Problem, Tombstone
from kleverproto.preconditions import ServingRequestDecided
from kleverproto.references import ModelRef
from kleverproto.rollouts import RolloutAction
from kleverproto.servings import Followed, ServingDeleteRequested, ServingDocument, ServingRequested
from kleverroutes.routing import Stage
from kleverroutes.versions import ServingName

from .records import Decide, Present, Records, key_of

FindProblem = Callable[[Stage], Problem | None]
"""Returns the reason why a stage cannot run on the backend, or None."""
Reject = Callable[[Known], Problem | None]
"""Returns the reason why a request is rejected, or None if it is accepted."""


class _RejectedError(Exception):
    def __init__(self, generation: int, problem: Problem) -> None:
        super().__init__()
        self.generation = generation
        self.problem = problem


@dataclass(frozen=True)
class Intents:
    """Records intents; the reconciler applies them. All methods raise TransientError.

    A request with a precondition is decided: ServingRequestDecided says whether it was accepted.

    Args:
        records: the documents in which intents are recorded.
        problem: returns the reason why a requested spec cannot run, or None; the reconciler checks it again.
    """

    records: Records
    problem: FindProblem = lambda _stage: None

    async def request(self, request: ServingRequested, intent: Intent) -> None:
        """Record the requested spec; a late request is ignored.

        A request with a precondition is also rejected if the backend cannot run its spec.
        """
        serving, now = ServingName(request.namespace, request.name), self.records.clock()

        def decide(known: Known) -> ServingDocument | None:
            requested = intents.requested(known, request, intent, now)
            if requested is not None and request.expected_generation is not None:
                self._check(serving, known, requested)
            return requested

        await self._record_if(serving, intent, request.expected_generation, decide)

    async def request_deletion(self, request: ServingDeleteRequested, intent: Intent) -> None:
        """Record the deletion of the serving; a late request is ignored."""
        serving, now = ServingName(request.namespace, request.name), self.records.clock()
        await self._record_if(
            serving, intent, request.expected_generation, lambda known: intents.deletion_requested(known, intent, now)
        )

    async def steer(self, serving: ServingName, generation: int, action: RolloutAction, intent: Intent) -> None:
        """Record an action on the rollout of a generation; a late request is rejected."""
        now = self.records.clock()

        def decide(known: Known) -> ServingDocument | None:
            return intents.steered(known, generation, action, intent, now)

        await self._decide(
            serving, intent, decide, lambda known: steering_rejection(serving, known, decide(known), action, intent)
        )

    async def follow(self, serving: ServingName, ref: ModelRef, push: Followed, cause: Intent) -> bool:
        """Record that a tag now names another manifest, to be deployed; a push that is already recorded is ignored.

        Args:
            serving: one that follows its tags.
            ref: the tag.
            push: the manifest that the tag names.
            cause: the event that announced the push.

        Returns:
            True if the document's intent is this event.
        """
        now = self.records.clock()
        stored = await self.records.change(serving, lambda present: intents.pushed(present, push, str(ref), cause, now))
        known = stored.document.status.intent if isinstance(stored, Stored) else None
        return known is not None and known.event_id == cause.event_id

    def _check(self, serving: ServingName, known: Known, requested: ServingDocument) -> None:
        """Raises _RejectedError."""
        if (problem := self.problem(stage_of(serving, requested))) is not None:
            raise _RejectedError(generation_of(known), problem)

    async def _record_if(self, serving: ServingName, intent: Intent, expected: int | None, decide: Decide) -> None:
        """Record a request. For one with an expected generation, a decision is published."""
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
        """Record a decision that is based on the bucket, or on the last copy if the bucket is empty.

        Copies include documents that the bucket has lost, and tombstones that it has removed. A tombstone is needed
        while the stream may hold requests from before it: a recreated consumer delivers them again.
        """
        return await self.records.deletions.change(
            key_of(serving), lambda present: decide(present or self.records.copies.last(serving))
        )
