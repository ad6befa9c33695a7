"""Reconciles the resources of one kind with the platform's documents."""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from klever_gateway.domain.preconditions import request_id
from klever_gateway.domain.resources.conditions import State, unavailable, waiting
from klever_gateway.domain.resources.resource import Resource, ResourceName
from klever_gateway.ports import ResourceStore
from kleverkit.errors import PermanentError, TransientError

from .deletions import PendingDeletions, is_deleted
from .requested_documents import RequestedDocuments, RequestT
from .statuses import Statuses

AGAIN_SECONDS = 300.0
"""Pause before a refused generation is requested, or a deletion is looked at again, in case a change was missed."""
ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Reconciler(Generic[RequestT]):
    """Reconciles one resource at a time.

    A generation of a resource is one request. It is written into the status before the request is made, so that a
    controller which was killed between the two makes the same request again, and a deletion is never lost. Changes by
    other clients of the API are reported and not undone.

    Attributes:
        store: the resources.
        statuses: writes statuses.
        documents: what the resources request.
        deletions: requests for deletions.
    """

    store: ResourceStore
    statuses: Statuses
    documents: RequestedDocuments[RequestT]
    deletions: PendingDeletions = field(default_factory=PendingDeletions)

    async def reconcile(self, name: ResourceName) -> float | None:
        """Reconcile a resource. Return the number of seconds after which to reconcile it again, or None.

        Raises:
            TransientError: NATS or the cluster is not available.
            PermanentError: the cluster refuses a write.
        """
        resource = self.store.find(name)
        if resource is None:
            return None
        if resource.is_deleting:
            return await self._delete(resource)
        if resource.is_accepted:
            await self._report(resource)
            return None
        row = await self.documents.find_row(resource)
        if row is not None and not row.hidden and row.event_id == request_id(resource.request_key):
            await self._report(resource, row.generation)  # an earlier controller has made the request
            return None
        return await self._request(resource)

    async def show(self, resource: Resource, request: RequestT, generation: int) -> None:
        """Write the state of a resource for a document that another client of the API has requested."""
        await self._report(await self._prepare(resource, request), generation)

    async def _request(self, resource: Resource) -> float | None:
        """Make the request of a resource, and write its state."""
        request = await self._attempt(resource, self.documents.check(resource))
        if request is None:
            return AGAIN_SECONDS
        resource = await self._prepare(resource, request)
        accepted = await self._attempt(resource, self.documents.submit(resource, request))
        if accepted is None:
            return AGAIN_SECONDS
        await self._report(resource, accepted)
        return None

    async def _attempt(self, resource: Resource, step: Awaitable[ResultT]) -> ResultT | None:
        """Return the result of a step of a request; None if the request is refused. Failures are in the status."""
        try:
            return await step
        except PermanentError as error:
            await self._write(resource, self.documents.refused(error))
            return None
        except TransientError as error:
            await self._write(resource, unavailable(error))
            raise

    async def _prepare(self, resource: Resource, request: RequestT) -> Resource:
        """Hold the resource until its document is deleted, and record that it may have been requested."""
        if not resource.is_held:
            resource = await self.store.hold(resource)
        status = self.documents.record(resource, request)
        if status == resource.read_status(type(status)):
            return resource
        return await self.store.write_status(resource, status)

    async def _report(self, resource: Resource, accepted: int | None = None) -> None:
        """Write the state of an accepted resource. A missing document was deleted only if a tombstone proves it."""
        row = await self.documents.find_row(resource)
        if row is not None and (state := self.documents.state(resource, row, accepted)) is not None:
            await self._write(resource, state, accepted)

    async def _delete(self, resource: Resource) -> float | None:
        """Delete the document of a deleted resource, then let the cluster remove the resource."""
        if not resource.is_held:
            return None
        if not await self._withdraw(resource):
            await self._write(resource, waiting(f"waiting until {self.documents.waits_for}"))
            return AGAIN_SECONDS
        await self.store.release(resource)
        self.deletions.forget(resource.uid)
        return None

    async def _withdraw(self, resource: Resource) -> bool:
        """Request the deletion of the document, if it is to be deleted. Return whether nothing is left to delete."""
        try:
            sequence = await self.deletions.sequence(resource.uid, lambda: self.documents.withdraw(resource))
        except TransientError as error:
            await self._write(resource, unavailable(error))
            raise
        return sequence is None or is_deleted(await self.documents.find_row(resource), sequence)

    async def _write(self, resource: Resource, state: State, accepted: int | None = None) -> None:
        row = await self.documents.find_row(resource)
        present = row if row is not None and not row.hidden else None
        status = self.documents.status(resource, state, present, accepted, self.statuses.clock())
        await self.statuses.write(resource, status)
