"""A data plane in memory: it forwards no requests, but returns the version that would receive one."""

import random
import re
from collections import Counter
from collections.abc import Collection, Mapping
from zlib import crc32

from klever_deployer.domain.analysis import Bucket, Counts
from kleverproto.traffic import HeaderMatch
from kleverroutes.routing import Rule, ServingRoute, Share
from kleverroutes.versions import ServingName, VersionKey


class InMemoryDataPlane:
    """See `ports.DataPlane` and `ports.RequestCounts`.

    Args:
        chance: the random numbers by which requests are distributed.
    """

    drain_seconds = 0.0

    def __init__(self, chance: random.Random | None = None) -> None:
        self.routes: dict[ServingName, ServingRoute] = {}
        self.up = True
        self.refused: str | None = None
        """Reason for which it refuses all routes."""
        self.counted: dict[VersionKey, Counts] = {}
        """The counters that it reports."""
        self._chance = chance or random.Random(1)  # noqa: S311 - spreads requests

    def refusal(self, _route: ServingRoute) -> str | None:
        """See `DataPlane`."""
        return self.refused

    def is_up(self) -> bool:
        """See `DataPlane`."""
        return self.up

    async def apply(self, route: ServingRoute) -> None:
        """See `DataPlane`."""
        self.routes[route.serving] = route

    async def remove(self, serving: ServingName) -> None:
        """See `DataPlane`."""
        self.routes.pop(serving, None)

    def served(self) -> set[ServingName]:
        """See `DataPlane`."""
        return set(self.routes)

    async def counts(self, versions: Collection[VersionKey]) -> dict[VersionKey, Counts]:
        """See `RequestCounts`."""
        return {key: counts for key, counts in self.counted.items() if key in versions}

    def choose(self, serving: ServingName, headers: Mapping[str, str]) -> VersionKey | None:
        """The version that receives a request with these headers; None if the serving has no route."""
        route = self.routes.get(serving)
        if route is None:
            return None
        shares = self.shares(serving, headers)
        if route.sticky is not None and route.sticky.header is not None and route.sticky.header in headers:
            return _by_hash(shares, headers[route.sticky.header])
        return self._chance.choices([share.version for share in shares], [share.weight for share in shares])[0]

    def shares(self, serving: ServingName, headers: Mapping[str, str]) -> tuple[Share, ...]:
        """The versions that share the requests of a serving with these headers. Raises KeyError without a route."""
        route = self.routes[serving]
        return next((rule.shares for rule in route.rules if _matches(rule, headers)), route.shares)

    def mirrored(self, serving: ServingName) -> VersionKey | None:
        """The version that receives a copy of a request, if any."""
        route = self.routes.get(serving)
        if route is None or route.mirror is None or self._chance.uniform(0, 100) > route.mirror.percent:
            return None
        return route.mirror.version

    def count(self, version: VersionKey, *, is_error: bool, milliseconds: float) -> None:
        """Count a completed request."""
        before = self.counted.get(version, Counts())
        buckets = Counter(dict(before.latencies))
        for upper in (1.0, 10.0, 100.0, 1000.0, float("inf")):
            buckets[upper] += milliseconds <= upper
        latencies = tuple(Bucket(upper, count) for upper, count in sorted(buckets.items()))
        self.counted[version] = Counts(before.requests + 1, before.errors + is_error, latencies)


def _matches(rule: Rule, headers: Mapping[str, str]) -> bool:
    return all(each.name in headers and _is_match(each.match, headers[each.name]) for each in rule.conditions)


def _is_match(match: HeaderMatch, value: str) -> bool:
    if match.regex is not None:
        return re.fullmatch(match.regex, value) is not None
    return value.startswith(match.prefix) if match.prefix is not None else value == match.exact


def _by_hash(shares: Collection[Share], value: str) -> VersionKey:
    """Choose a version by hash: always the same for a value, and each in proportion to its weight."""
    place = crc32(value.encode()) % sum(share.weight for share in shares)
    for share in shares:
        if (place := place - share.weight) < 0:
            return share.version
    raise AssertionError("the place lies within the weights")
