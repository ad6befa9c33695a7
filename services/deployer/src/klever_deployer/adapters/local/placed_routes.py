"""Routes with the addresses that requests are sent to: the replicas of each version, or who takes them meanwhile."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter

from klever_deployer.domain.routing import ServingRoute
from klever_deployer.domain.versions import ServingName, VersionKey

from .replica_specs import Endpoint

Endpoints = tuple[Endpoint, ...]


@dataclass(frozen=True)
class Place:
    """Where requests for a version are sent."""

    version: VersionKey
    endpoints: Endpoints


@dataclass(frozen=True)
class PlacedRoute:
    """A serving's route, and where each of its versions is."""

    route: ServingRoute
    places: tuple[Place, ...]


RoutingTable = dict[ServingName, PlacedRoute]


def placed(
    route: ServingRoute, find: Callable[[VersionKey], Endpoints], waiting_room: Callable[[VersionKey], Endpoint]
) -> PlacedRoute:
    """A route to the replicas that there are now.

    Args:
        route: names versions.
        find: the replicas of a version.
        waiting_room: where requests go for a version that may be idle and has no replica.
    """
    places = []
    for each in route.versions:
        endpoints = find(each.key)
        if not endpoints and each.can_be_idle:
            endpoints = (waiting_room(each.key),)
        places.append(Place(each.key, endpoints))
    return PlacedRoute(route, tuple(places))


_TABLE = TypeAdapter(list[PlacedRoute])


def dump_table(table: Mapping[ServingName, PlacedRoute]) -> str:
    """A routing table as JSON."""
    return _TABLE.dump_json([table[serving] for serving in sorted(table)]).decode()


def load_table(text: str) -> RoutingTable:
    """Undo `dump_table`. Raises ValueError where the text is none."""
    return {placed.route.serving: placed for placed in _TABLE.validate_json(text)}
