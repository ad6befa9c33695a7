"""Request counters of versions, from a Prometheus."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Protocol

from klever_deployer.domain.analysis import Counts
from klever_deployer.errors import DataPlaneError
from kleverroutes.versions import VersionKey

from .names import MetricNames
from .prometheus import Series
from .tallies import Tally

HISTORY_SECONDS = 3600
"""Age up to which counters are used when a version is read first: a replica may not be scraped at the moment."""


class Collector(Protocol):
    """A Prometheus."""

    @property
    def url(self) -> str:
        """The URL, for messages."""
        ...

    async def query(self, expression: str) -> list[Series]:
        """Evaluate an expression now. Raises DataPlaneError."""
        ...


@dataclass(frozen=True)
class MetricsOptions:
    """Selection of metrics.

    Attributes:
        names: names of the metrics.
        labels: labels of the series that belong to this cluster.
        window_seconds: older counters are not used, and requests in flight are averaged over this time.
    """

    names: MetricNames
    labels: Mapping[str, str] = field(default_factory=dict)
    window_seconds: float = 60.0

    @property
    def window(self) -> int:
        """Whole seconds."""
        return ceil(self.window_seconds)


@dataclass
class _Read:
    """Counters that were read of a version."""

    tally: Tally
    at: float
    """Monotonic seconds."""


class PrometheusCounts:
    """See `ports.RequestCounts`.

    Args:
        client: queries the Prometheus.
        options: which metrics.
        destinations: the values of the label of the destination that name a version.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        client: Collector,
        options: MetricsOptions,
        destinations: Callable[[VersionKey], Collection[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._options = options
        self._destinations = destinations
        self._clock = clock
        self._reads: dict[VersionKey, _Read] = {}
        self._lock = asyncio.Lock()

    async def counts(self, versions: Collection[VersionKey]) -> dict[VersionKey, Counts]:
        """See `RequestCounts`."""
        async with self._lock:  # counters of an earlier response must not be added after those of a later one
            self._forget_unread()
            keys = {name: key for key in versions for name in self._destinations(key)}
            return await self._read(keys) if keys else {}

    async def _read(self, keys: Mapping[str, VersionKey]) -> dict[VersionKey, Counts]:
        """Read the counters.

        Args:
            keys: values of the label of the destination, and their versions.
        """
        names, options = self._options.names, self._options
        selector = names.selector(options.labels, keys)
        is_new = any(key not in self._reads for key in keys.values())
        history = HISTORY_SECONDS if is_new else options.window
        samples = self._by_version(keys, await self._client.query(names.counters(selector, history)))
        [now] = await self._values("time()")
        in_flight = self._by_version(keys, await self._client.query(names.active(selector, options.window)))
        ages = await self._ages(samples, set(keys.values()), now)
        for key, series in samples.items():
            self._read_of(key).tally.add(series)
        return {
            key: self._reads[key].tally.counts(active=_sum(in_flight[key]), age=ages[key])
            for key in set(keys.values())
            if key in self._reads
        }

    async def _ages(
        self, samples: Mapping[VersionKey, list[Series]], keys: Collection[VersionKey], now: float
    ) -> dict[VersionKey, float]:
        """The age of the counters of each version; without recent ones, that of the newest counter of any version.

        Raises DataPlaneError: no counter was collected recently.
        """
        ages = {key: _age(samples.get(key, ()), now, self._options.window) for key in keys}
        if None in ages.values():
            general = await self._newest(now)
            return {key: general if age is None else age for key, age in ages.items()}
        return {key: age for key, age in ages.items() if age is not None}

    async def _newest(self, now: float) -> float:
        """The age of the newest counter of the cluster. Raises DataPlaneError."""
        names, options = self._options.names, self._options
        moments = await self._values(f"max(timestamp({names.requests}{{{names.selector(options.labels)}}}))")
        if moments and now - moments[0] <= options.window:
            return max(0.0, now - moments[0])
        raise DataPlaneError(
            f"Prometheus at {self._client.url} has no {names.requests} of the last {options.window} s. "
            "Check that it scrapes the gateway, and KLEVER_DEPLOYER_PROMETHEUS_METRICS"
        )

    async def _values(self, expression: str) -> list[float]:
        return [value for series in await self._client.query(expression) for _, value in series.samples]

    def _by_version(
        self, keys: Mapping[str, VersionKey], series: Iterable[Series]
    ) -> defaultdict[VersionKey, list[Series]]:
        grouped: defaultdict[VersionKey, list[Series]] = defaultdict(list)
        for each in series:
            if (key := keys.get(each.labels.get(self._options.names.destination, ""))) is not None:
                grouped[key].append(each)
        return grouped

    def _read_of(self, key: VersionKey) -> _Read:
        read = self._reads.setdefault(key, _Read(Tally(self._options.names), 0.0))
        read.at = self._clock()
        return read

    def _forget_unread(self) -> None:
        """Versions are deleted; one that is read later again starts with other sums, as counters may."""
        oldest = self._clock() - HISTORY_SECONDS
        self._reads = {key: read for key, read in self._reads.items() if read.at >= oldest}


def _age(series: Iterable[Series], now: float, window: float) -> float | None:
    """The largest age of the counters that were collected within the last seconds; None if none was."""
    newest = (now - each.samples[-1][0] for each in series if each.samples)
    return max((max(0.0, age) for age in newest if age <= window), default=None)


def _sum(series: Iterable[Series]) -> float:
    return sum(value for each in series for _, value in each.samples)
