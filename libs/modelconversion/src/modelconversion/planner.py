"""Finds the cheapest route from one format to another in the table of conversions."""

from collections.abc import Collection, Iterable
from heapq import heappop, heappush

from .errors import NoRouteError
from .pairs import PAIRS, Pair


def plan(source: str, target: str, options: Collection[str] = (), pairs: Iterable[Pair] = PAIRS) -> tuple[Pair, ...]:
    """Return the conversions in order, with the lowest cost; of equal ones the shortest, then the first in the table.

    `options` are the names of the requested options: each must be supported by a step of the route. Raises
    NoRouteError, which names the reachable formats.
    """
    table = tuple(pairs)
    routes = _cheapest_routes(source, table)
    if target not in routes:
        raise NoRouteError(_describe_reachable(source, target, routes))
    refinements = tuple(
        pair for pair in table if pair.source == pair.target == target and pair.options.intersection(options)
    )
    route = routes[target] + refinements
    if not route:
        raise NoRouteError(f"the model is in format {target} already: there is nothing to convert")
    _check_options(route, options)
    return route


def reachable(source: str, pairs: Iterable[Pair] = PAIRS) -> tuple[str, ...]:
    """Return the formats that a source can be converted to, by name; itself only if there is a step within it."""
    table = tuple(pairs)
    within = {pair.source for pair in table if pair.source == pair.target}
    return tuple(sorted(name for name in _cheapest_routes(source, table) if name != source or name in within))


def _cheapest_routes(source: str, pairs: tuple[Pair, ...]) -> dict[str, tuple[Pair, ...]]:
    """Dijkstra's shortest paths from the source; the order of the table breaks ties."""
    routes: dict[str, tuple[Pair, ...]] = {}
    queue: list[tuple[int, int, tuple[int, ...]]] = [(0, 0, ())]
    while queue:
        cost, length, steps = heappop(queue)
        here = pairs[steps[-1]].target if steps else source
        if here in routes:
            continue
        routes[here] = tuple(pairs[step] for step in steps)
        for index, pair in enumerate(pairs):
            if pair.source == here and pair.target not in routes and _takes(pair, routes[here]):
                heappush(queue, (cost + pair.cost, length + 1, (*steps, index)))
    return routes


def _takes(pair: Pair, before: tuple[Pair, ...]) -> bool:
    """Return whether a conversion can convert the result of the previous ones."""
    return pair.takes_tables or not any(each.writes_tables for each in before)


def _describe_reachable(source: str, target: str, routes: dict[str, tuple[Pair, ...]]) -> str:
    names = sorted(name for name in routes if name != source)
    if not names:
        return f"{source} cannot be converted to {target}, nor to any other format"
    return f"{source} cannot be converted to {target}; it can be converted to {', '.join(names)}"


def _check_options(route: tuple[Pair, ...], options: Collection[str]) -> None:
    supported = {name for pair in route for name in pair.options}
    for name in options:
        if name not in supported:
            steps = " -> ".join((route[0].source, *(pair.target for pair in route)))
            known = ", ".join(sorted(supported)) or "none"
            raise NoRouteError(f"the conversion {steps} has no option {name!r}; its options: {known}")
