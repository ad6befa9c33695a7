"""Stores requests for servings, and waits until the deployer has decided those with a precondition."""

from dataclasses import dataclass, replace

from klever_gateway.domain.preconditions import Conditions
from klever_gateway.domain.rows import Collection, Row, serving_row
from klever_gateway.domain.servings import Known
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
from .writing import Writing, Written

ServingRequest = ServingRequested | ServingDeleteRequested | ServingRolloutRequested

CATCH_UP_SECONDS = 1.0
"""A client, or a decision, may know of a document that arrives here a moment later."""


@dataclass(frozen=True, kw_only=True)
class ServingRequests:
    """What the use cases for servings have in common.

    Attributes:
        writing: stores requests and shows what was accepted.
        decisions: the deployer's decisions.
        arrivals: learns of each change of the projection.
        catch_up_seconds: the longest wait for a document that this gateway has not read yet.
    """

    writing: Writing
    decisions: Decisions
    arrivals: Arrivals
    catch_up_seconds: float = CATCH_UP_SECONDS

    async def find(self, namespace: str, name: str) -> Known:
        """What is known of a name. Raises TransientError if the servings were never read: one may exist."""
        row = await self.writing.projection.last(Collection.SERVINGS, serving_key(namespace, name))
        if row is None and not await self.writing.projection.is_loaded(Collection.SERVINGS):
            raise TransientError("the gateway has not read the servings yet: try again in a moment")
        document = ServingDocument.model_validate_json(row.body) if row and row.body else None
        return Known(document, is_present=row is not None and not row.hidden)

    async def find_at(self, namespace: str, name: str, generation: int | None) -> Known:
        """As `find`; waits a moment for a generation that the client has seen at another gateway."""

        async def find_generation() -> Known | None:
            known = await self.find(namespace, name)
            return known if known.last is not None and known.last.generation >= (generation or 0) else None

        known = await self.find(namespace, name)
        if not generation or (known.last is not None and known.last.generation >= generation):
            return known
        return await self.arrivals.until(find_generation, self.catch_up_seconds) or known

    async def wait_for_change(self, namespace: str, name: str, generation: int) -> None:
        """Return once the serving is at another generation, or after a moment."""

        async def is_changed() -> bool | None:
            present = (await self.find(namespace, name)).present
            return (present.generation if present else ABSENT) != generation or None

        await self.arrivals.until(is_changed, self.catch_up_seconds)

    async def submit(
        self,
        data: ServingRequest,
        document: ServingDocument,
        conditions: Conditions,
        *,
        is_shown: bool,
        attempt: int = 0,
    ) -> Written:
        """Store a request; one with a precondition is accepted only once the deployer has decided so.

        Args:
            data: the request.
            document: the serving after the request, as far as this gateway knows.
            conditions: of the client.
            is_shown: whether `document` is shown until the owner's arrives.
            attempt: counts the requests that one request of a client leads to.

        Raises:
            GenerationMismatchError, AlreadyExistsError, NoRolloutError: the deployer has rejected it.
            TransientError: the request could not be stored.
        """
        event = self.writing.repeatable_event(data, conditions.key, attempt)
        key = serving_key(document.namespace, document.name)
        sequence = await self.writing.requests.store(event)
        serving = f"{document.namespace}/{document.name}"
        if _has_precondition(data) and (row := await self._decided_row(event.id, serving, key, _place(data, sequence))):
            return Written(row.body, row.generation, event.correlation_id or event.id)
        row = serving_row(key, 0, document, accepted=is_shown)
        return await self.writing.show(event, Collection.SERVINGS, replace(row, sequence=sequence))

    async def _decided_row(self, request_id: str, serving: str, key: str, place: int) -> Row | None:
        """The document after a request was accepted; None if the decision or the document does not arrive in time."""
        decided = await self.decisions.wait_for(request_id, serving)
        if decided is None:
            return None
        if decided.problem is not None:
            raise rejection_error(decided.problem)
        generation = decided.generation

        async def find_row() -> Row | None:
            row = await self.writing.projection.last(Collection.SERVINGS, key)
            is_there = row is not None and row.generation >= generation and row.sequence >= place
            return row if row is not None and row.body and is_there else None

        return await self.arrivals.until(find_row, self.catch_up_seconds)


def _has_precondition(data: ServingRequest) -> bool:
    return isinstance(data, ServingRolloutRequested) or data.expected_generation is not None


def _place(data: ServingRequest, sequence: int) -> int:
    """The place among the requests that the document has afterwards; a request to steer leaves it as it is."""
    return 0 if isinstance(data, ServingRolloutRequested) else sequence
