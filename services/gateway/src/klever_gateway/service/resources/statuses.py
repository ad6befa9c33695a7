"""Writes the states of resources, and publishes their changes as Events of Kubernetes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import structlog

from klever_gateway.domain.resources.conditions import FALSE
from klever_gateway.domain.resources.resource import Notice, Resource
from klever_gateway.ports import ResourceStore
from kleverkit.errors import KleverError
from kleverproto.custom_resources import ConditionType, ResourceStatus

StatusT = TypeVar("StatusT", bound=ResourceStatus)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Statuses:
    """Writes states that have changed.

    Attributes:
        store: the resources.
        clock: returns the current time, timezone-aware.
    """

    store: ResourceStore
    clock: Callable[[], datetime]

    async def write(self, resource: Resource, status: StatusT) -> Resource:
        """Write the status if it differs from the present one. Raises TransientError, PermanentError."""
        previous = resource.read_status(type(status))
        if status == previous:
            return resource
        written = await self.store.write_status(resource, status)
        if (notice := _notice(status)) is not None and notice != _notice(previous):
            await self._publish(written, notice)
        return written

    async def _publish(self, resource: Resource, notice: Notice) -> None:
        """Publish an Event if possible: the status has the same content."""
        try:
            await self.store.publish(resource, notice)
        except KleverError as error:
            log.warning("event not published", resource=str(resource.name), error=str(error))


def _notice(status: ResourceStatus) -> Notice | None:
    """Return the notice of a status; None if it has no state yet."""
    by_type = {each.type: each for each in status.conditions}
    if ConditionType.READY not in by_type:
        return None
    ready, synced = by_type[ConditionType.READY], by_type[ConditionType.SYNCED]
    is_warning = synced.status == FALSE or by_type[ConditionType.STALLED].status != FALSE
    cause = synced if synced.status == FALSE else ready
    return Notice(reason=cause.reason, message=cause.message or status.phase, is_warning=is_warning)
