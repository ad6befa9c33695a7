"""The port between the reconciler and the kinds of resources."""

from datetime import datetime
from typing import Protocol, TypeVar

from klever_gateway.domain.resources.conditions import State
from klever_gateway.domain.resources.resource import Resource
from klever_gateway.domain.rows import Row
from kleverkit.errors import PermanentError
from kleverproto.custom_resources import ResourceStatus

RequestT = TypeVar("RequestT")


class RequestedDocuments(Protocol[RequestT]):
    """The documents that resources of one kind request: servings or jobs.

    `check`, `submit` and `withdraw` raise PermanentError if the platform refuses the request, and TransientError if it
    is not available.
    """

    @property
    def waits_for(self) -> str:
        """Return the event that a deleted resource waits for, as a clause."""
        ...

    async def find_row(self, resource: Resource) -> Row | None:
        """Return the last known row of the resource's document, or None."""
        ...

    async def check(self, resource: Resource) -> RequestT:
        """Return the request of a resource, which the platform would accept now."""
        ...

    def record(self, resource: Resource, request: RequestT) -> ResourceStatus:
        """Return the status of a resource whose request may have been made."""
        ...

    async def submit(self, resource: Resource, request: RequestT) -> int:
        """Make the request of a resource. Return the generation of the requested document."""
        ...

    async def withdraw(self, resource: Resource) -> int | None:
        """Request the deletion of the document that a resource may have requested.

        Returns:
            The sequence of the request in its stream; None if the document is not to be deleted.
        """
        ...

    def state(self, resource: Resource, row: Row, accepted: int | None) -> State | None:
        """Return the state of an accepted resource; None if the row does not show it.

        Args:
            resource: the resource.
            row: its document or tombstone.
            accepted: generation of the requested document; None if the status of the resource has it.
        """
        ...

    def refused(self, error: PermanentError) -> State:
        """Return the state of a resource whose request is refused."""
        ...

    def status(
        self, resource: Resource, state: State, row: Row | None, accepted: int | None, now: datetime
    ) -> ResourceStatus:
        """Return the status to write.

        Args:
            resource: the resource, with its present status.
            state: its state.
            row: its document; None if it does not exist.
            accepted: generation of the requested document, if the resource is accepted now.
            now: the current time.
        """
        ...
