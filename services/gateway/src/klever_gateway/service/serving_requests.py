"""Stores requests for servings, and waits for the deployer's decision about those with a precondition."""

from dataclasses import dataclass, replace

from klever_gateway.domain.preconditions import Conditions
from klever_gateway.domain.rows import Collection, Row, serving_row
from klever_gateway.domain.servings import Known, as_deleting
from klever_gateway.errors import rejection_error
from kleverkit.errors import TransientError
from kleverproto.preconditions import ABSENT
from kleverproto.servings import (
    ServingDeleteRequested,
    ServingDocument,
    ServingRequested,
    ServingRolloutRequested,
    serving_key,
)

from .arrivals import Arrivals
from .decisions import Decisions
from .submitter import Accepted, Submitter

ServingRequest = ServingRequested | ServingDeleteRequested | ServingRolloutRequested

CATCH_UP_SECONDS = 1.0
"""Longest wait for a document that a client or a decision refers to, and that has not arrived here yet."""


@dataclass(frozen=True, kw_only=True)
class ServingRequests:
    """Stores requests and finds servings, for all use cases of servings.

    Attributes:
        submitter: stores requests and shows the requested documents.
        decisions: the deployer's decisions.
        arrivals: notifications of changes of the projection.
        catch_up_seconds: the longest wait for a document that this gateway has not read yet.
    """

    submitter: Submitter
    decisions: Decisions
    arrivals: Arrivals
    catch_up_seconds: float = CATCH_UP_SECONDS

    async def find(self, namespace: str, name: str) -> Known:
        """Return the state of a name. Raises TransientError if the servings were never read: one may exist."""
        row = await self.submitter.projection.last(Collection.SERVINGS, serving_key(namespace, name))
        if row is None and not await self.submitter.projection.is_loaded(Collection.SERVINGS):
            raise TransientError("the gateway has not read the servings yet: try again in a moment")
        document = ServingDocument.model_validate_json(row.body) if row and row.body else None
        return Known(document, is_present=row is not None and not row.hidden)

    async def find_at(self, namespace: str, name: str, generation: int | None) -> Known:
        """Like `find`, but waits a moment for a generation that the client may have seen at another gateway."""

        async def find_generation() -> Known | None:
            known = await self.find(namespace, name)
            return known if known.last is not None and known.last.generation >= (generation or 0) else None

        known = await self.find(namespace, name)
        if not generation or (known.last is not None and known.last.generation >= generation):
            return known
        return await self.arrivals.wait_for(find_generation, self.catch_up_seconds) or known

    async def wait_for_change(self, namespace: str, name: str, generation: int) -> None:
        """Wait until the serving is at another generation, at most `catch_up_seconds`."""

        async def is_changed() -> bool | None:
            present = (await self.find(namespace, name)).present
            return (present.generation if present else ABSENT) != generation or None

        await self.arrivals.wait_for(is_changed, self.catch_up_seconds)

    async def submit(
        self,
        data: ServingRequest,
        document: ServingDocument,
        conditions: Conditions,
        *,
        is_shown: bool,
        attempt: int = 0,
    ) -> Accepted:
        """Store a request. If it has a precondition, wait for the deployer's decision.

        Args:
            data: the request.
            document: the expected serving after the request.
            conditions: the client's conditions; in a dry run, nothing is stored.
            is_shown: whether `document` is shown until the owner's arrives.
            attempt: number of this attempt; part of the event's id.

        Raises:
            GenerationMismatchError, AlreadyExistsError, NoRolloutError: the deployer has rejected the request.
            TransientError: the request cannot be stored.
        """
        if conditions.dry_run:
            return Accepted(document.model_dump_json(), document.generation, "")
        event = self.submitter.repeatable_event(data, conditions.key, attempt)
        key = serving_key(document.namespace, document.name)
        sequence = await self.submitter.requests.store(event)
        serving = f"{document.namespace}/{document.name}"
        if _has_precondition(data) and (row := await self._decided_row(event.id, serving, key, _place(data, sequence))):
            return Accepted(row.body, row.generation, event.correlation_id or event.id)
        row = serving_row(key, 0, document, accepted=is_shown)
        return await self.submitter.show(event, Collection.SERVINGS, replace(row, sequence=sequence))

    async def withdraw(self, data: ServingDeleteRequested, key: str) -> int:
        """Store a deletion, and show a present serving as being deleted. Return the request's sequence."""
        submitter = self.submitter
        present = (await self.find(data.namespace, data.name)).present
        event = submitter.repeatable_event(data, key)
        sequence = await submitter.requests.store(event)
        if present is not None:
            row = serving_row(
                serving_key(data.namespace, data.name), 0, as_deleting(present, submitter.clock()), accepted=True
            )
            await submitter.show(event, Collection.SERVINGS, replace(row, sequence=sequence))
        return sequence

    async def _decided_row(self, request_id: str, serving: str, key: str, place: int) -> Row | None:
        """Return the document after an accepted request; None if decision or document does not arrive in time."""
        decided = await self.decisions.wait_for(request_id, serving)
        if decided is None:
            return None
        if decided.problem is not None:
            raise rejection_error(decided.problem)
        generation = decided.generation

        async def find_row() -> Row | None:
            row = await self.submitter.projection.last(Collection.SERVINGS, key)
            is_there = row is not None and row.generation >= generation and row.sequence >= place
            return row if row is not None and row.body and is_there else None

        return await self.arrivals.wait_for(find_row, self.catch_up_seconds)


def _has_precondition(data: ServingRequest) -> bool:
    return isinstance(data, ServingRolloutRequested) or data.expected_generation is not None


def _place(data: ServingRequest, sequence: int) -> int:
    """Return the request sequence of the resulting document; 0 for a rollout action, which does not change it."""
    return 0 if isinstance(data, ServingRolloutRequested) else sequence
