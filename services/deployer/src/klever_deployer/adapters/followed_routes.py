"""A data plane whose routes the waiting room hears of before they are used."""

from dataclasses import dataclass

from klever_deployer.domain.analysis import Counts
from klever_deployer.domain.replicas import ServingName
from klever_deployer.domain.routing import BackendKey, ServingRoute
from klever_deployer.ports import DataPlane

from .waiting_room import WaitingRoom


@dataclass(frozen=True)
class FollowedRoutes:
    """See `ports.DataPlane`.

    A change of routes waits until no request flows by the old ones. Those that wait for a replica of a variant which
    the new routes do not have would never end: they have to hear of the change before it waits for them.

    Args:
        data_plane: whose routes.
        room: who waits.
    """

    data_plane: DataPlane
    room: WaitingRoom

    async def apply(self, route: ServingRoute) -> None:
        """See `DataPlane`."""
        self.room.follow(route)
        await self.data_plane.apply(route)

    def is_up(self) -> bool:
        """See `DataPlane`."""
        return self.data_plane.is_up()

    def served(self) -> set[ServingName]:
        """See `DataPlane`."""
        return self.data_plane.served()

    async def counts(self, backends: set[BackendKey]) -> dict[BackendKey, Counts]:
        """See `DataPlane`."""
        return await self.data_plane.counts(backends)

    async def remove(self, serving: ServingName) -> None:
        """See `DataPlane`."""
        self.room.forget(serving)
        await self.data_plane.remove(serving)
