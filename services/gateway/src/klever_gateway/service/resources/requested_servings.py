"""The servings that resources request."""

from dataclasses import dataclass
from datetime import datetime

from klever_gateway.domain.invalid import checked
from klever_gateway.domain.preconditions import Conditions
from klever_gateway.domain.resources.conditions import State, refused
from klever_gateway.domain.resources.resource import Resource
from klever_gateway.domain.resources.serving_state import DELETED, serving_state, serving_status
from klever_gateway.domain.rows import Collection, Row
from klever_gateway.ports import Projection
from klever_gateway.service.servings import Servings
from kleverkit.errors import PermanentError
from kleverproto.custom_resources import ServingResourceStatus
from kleverproto.serving_specs import Metadata, ServingSpec
from kleverproto.servings import ServingDocument, ServingRequested, serving_key


@dataclass(frozen=True)
class RequestedServings:
    """See `RequestedDocuments`.

    Attributes:
        servings: the use cases of the API.
        projection: the platform's servings.
    """

    servings: Servings
    projection: Projection
    waits_for: str = "the deployer has stopped the model servers"

    async def find_row(self, resource: Resource) -> Row | None:
        """See `RequestedDocuments`."""
        name = resource.name
        return await self.projection.last(Collection.SERVINGS, serving_key(name.namespace, name.name))

    async def check(self, resource: Resource) -> ServingRequested:
        """See `RequestedDocuments`."""
        request = _request_of(resource)
        await self.servings.replace(request, Conditions(dry_run=True))
        return request

    def record(self, resource: Resource, _request: ServingRequested) -> ServingResourceStatus:
        """See `RequestedDocuments`."""
        status = resource.read_status(ServingResourceStatus)
        return status.model_copy(update={"requested_generation": resource.generation})

    async def submit(self, resource: Resource, request: ServingRequested) -> int:
        """See `RequestedDocuments`."""
        return (await self.servings.replace(request, Conditions(key=resource.request_key))).generation

    async def withdraw(self, resource: Resource) -> int | None:
        """See `RequestedDocuments`."""
        if not resource.read_status(ServingResourceStatus).requested_generation:
            return None
        return await self.servings.withdraw(resource.name.namespace, resource.name.name, resource.deletion_key)

    def state(self, resource: Resource, row: Row, accepted: int | None) -> State | None:
        """See `RequestedDocuments`."""
        if accepted is None:
            accepted = resource.read_status(ServingResourceStatus).serving_generation
        if not row.hidden:
            return serving_state(_document(row), _request_of(resource).spec, accepted)
        return DELETED if row.generation >= accepted else None

    def refused(self, error: PermanentError) -> State:
        """See `RequestedDocuments`."""
        return refused(error)

    def status(
        self, resource: Resource, state: State, row: Row | None, accepted: int | None, now: datetime
    ) -> ServingResourceStatus:
        """See `RequestedDocuments`."""
        document = _document(row) if row is not None else None
        return serving_status(resource, state, now, document=document, serving_generation=accepted)


def _document(row: Row) -> ServingDocument:
    return ServingDocument.model_validate_json(row.body)


def _request_of(resource: Resource) -> ServingRequested:
    """Return the request of a resource. Raises InvalidRequestError, in the words of the API."""
    names = checked(Metadata, {"name": resource.name.name, "namespace": resource.name.namespace}, "metadata")
    spec = checked(ServingSpec, resource.spec, "spec")
    return ServingRequested(namespace=names.namespace, name=names.name, spec=spec)
