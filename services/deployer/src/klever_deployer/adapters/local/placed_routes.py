"""Routes with addresses: those of each version's replicas, or of the waiting room."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter

from kleverroutes.routing import ServingRoute
from kleverroutes.versions import ServingName, VersionKey

from .replica_specs import Endpoint

Endpoints = tuple[Endpoint, ...]


@dataclass(frozen=True)
class Place:
    """The addresses to which requests for a version are sent."""

    version: VersionKey
    endpoints: Endpoints


@dataclass(frozen=True)
class PlacedRoute:
    """A serving's route, and the addresses of each of its versions."""

    route: ServingRoute
    places: tuple[Place, ...]


RoutingTable = dict[ServingName, PlacedRoute]


def placed(
    route: ServingRoute, find: Callable[[VersionKey], Endpoints], waiting_room: Callable[[VersionKey], Endpoint]
) -> PlacedRoute:
    """Add the addresses of the present replicas to a route.

    Args:
        route: the route.
        find: returns the replicas of a version.
        waiting_room: returns the address for a version that may be idle and has no replica.
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
    """Parse the output of `dump_table`. Raises ValueError if the text is not valid."""
    return {placed.route.serving: placed for placed in _TABLE.validate_json(text)}
