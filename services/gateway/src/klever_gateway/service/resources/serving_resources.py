"""Reconciles Servings of a cluster with the platform's servings."""

from dataclasses import dataclass, field

from klever_gateway.domain.invalid import checked
from klever_gateway.domain.preconditions import Conditions, request_id
from klever_gateway.domain.resources.conditions import State, refused, unavailable, waiting
from klever_gateway.domain.resources.resource import Resource, ResourceName
from klever_gateway.domain.resources.serving_state import DELETED, serving_state, serving_status
from klever_gateway.domain.rows import Collection, Row
from klever_gateway.ports import Projection, ResourceStore
from klever_gateway.service.servings import Servings
from kleverkit.errors import PermanentError, TransientError
from kleverproto.custom_resources import ServingResourceStatus
from kleverproto.serving_specs import Metadata, ServingSpec
from kleverproto.servings import ServingDocument, ServingPhase, ServingRequested, serving_key

from .deletions import PendingDeletions, is_deleted
from .statuses import Statuses

AGAIN_SECONDS = 300.0
"""Pause before a refused generation is requested, or a deletion is looked at again, in case a change was missed."""


@dataclass(frozen=True)
class ServingResources:
    """Reconciles one Serving at a time.

    A generation of a resource is one request. It is written into the status before the request is made, so that a
    controller which was killed between the two makes the same request again, and a deletion is never lost. Changes by
    other clients of the API are reported and not undone.

    Attributes:
        store: the resources.
        statuses: writes statuses.
        servings: the use cases of the API.
        projection: the platform's servings.
        deletions: requests for deletions.
    """

    store: ResourceStore
    statuses: Statuses
    servings: Servings
    projection: Projection
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
        try:
            request = _request_of(resource)
            if not await self._is_requested(resource):
                await self.servings.replace(request, Conditions(dry_run=True))
        except PermanentError as error:
            await self._write(resource, refused(error))
            return AGAIN_SECONDS
        except TransientError as error:
            await self._write(resource, unavailable(error), is_observed=False)
            raise
        return await self._request(await self._prepare(resource), request)

    async def _request(self, resource: Resource, request: ServingRequested) -> float | None:
        """Make the request of a prepared resource, and write its state."""
        try:
            row = await self._row(resource)
            if row is not None and await self._is_requested(resource):
                generation = row.generation
            else:
                generation = (await self.servings.replace(request, Conditions(key=resource.request_key))).generation
        except PermanentError as error:
            await self._write(resource, refused(error))
            return AGAIN_SECONDS
        except TransientError as error:
            await self._write(resource, unavailable(error), is_observed=False)
            raise
        await self._report(resource, serving_generation=generation)
        return None

    async def _is_requested(self, resource: Resource) -> bool:
        """Return whether the platform has the request for this generation, which an earlier controller has made."""
        row = await self._row(resource)
        return row is not None and not row.hidden and row.event_id == request_id(resource.request_key)

    async def _prepare(self, resource: Resource) -> Resource:
        """Record that the generation may have been requested, and hold the resource until its serving is deleted."""
        if not resource.is_held:
            resource = await self.store.hold(resource)
        status = resource.read_status(ServingResourceStatus)
        if status.requested_generation == resource.generation:
            return resource
        requested = status.model_copy(update={"requested_generation": resource.generation})
        return await self.store.write_status(resource, requested)

    async def _report(self, resource: Resource, *, serving_generation: int | None = None) -> None:
        """Write the state of an accepted resource. A missing serving was deleted only if a tombstone proves it."""
        row = await self._row(resource)
        accepted = serving_generation
        if accepted is None:
            accepted = resource.read_status(ServingResourceStatus).serving_generation
        if row is not None and not row.hidden:
            state = serving_state(_document(row), _request_of(resource).spec, accepted)
            await self._write(resource, state, accepted=accepted)
        elif row is not None and row.generation >= accepted:
            await self._write(resource, DELETED, accepted=accepted)

    async def _delete(self, resource: Resource) -> float | None:
        """Delete the serving of a deleted resource, then let the cluster remove the resource."""
        if not resource.is_held:
            return None
        if resource.read_status(ServingResourceStatus).requested_generation and not await self._withdraw(resource):
            await self._write(resource, waiting("waiting until the deployer has stopped the model servers"))
            return AGAIN_SECONDS
        await self.store.release(resource)
        self.deletions.forget(resource.uid)
        return None

    async def _withdraw(self, resource: Resource) -> bool:
        """Request the deletion of the serving. Return whether it is deleted."""
        name = resource.name
        try:
            sequence = await self.deletions.sequence(
                resource.uid, lambda: self.servings.withdraw(name.namespace, name.name, resource.deletion_key)
            )
        except TransientError as error:
            await self._write(resource, unavailable(error))
            raise
        return is_deleted(await self._row(resource), sequence)

    async def _write(
        self, resource: Resource, state: State, *, accepted: int | None = None, is_observed: bool = True
    ) -> None:
        row = await self._row(resource)
        document = _document(row) if row is not None and not row.hidden else None
        status = serving_status(resource, state, self.statuses.clock(), document=document, serving_generation=accepted)
        if not is_observed:
            previous = resource.read_status(ServingResourceStatus)
            status = status.model_copy(update={"observed_generation": previous.observed_generation})
        if resource.is_deleting:
            status = status.model_copy(update={"phase": ServingPhase.DELETING.value})
        await self.statuses.write(resource, status)

    async def _row(self, resource: Resource) -> Row | None:
        name = resource.name
        return await self.projection.last(Collection.SERVINGS, serving_key(name.namespace, name.name))


def _document(row: Row) -> ServingDocument:
    return ServingDocument.model_validate_json(row.body)


def _request_of(resource: Resource) -> ServingRequested:
    """Return the request for a resource. Raises InvalidRequestError, in the words of the API."""
    names = checked(Metadata, {"name": resource.name.name, "namespace": resource.name.namespace}, "metadata")
    spec = checked(ServingSpec, resource.spec, "spec")
    return ServingRequested(namespace=names.namespace, name=names.name, spec=spec)
