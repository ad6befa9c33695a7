"""Sums counters of many processes that restart, appear and disappear; pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isinf

from klever_deployer.domain.analysis import Bucket, Counts

from .names import MetricNames, Part
from .prometheus import Series


@dataclass
class Counter:
    """One counter of one process, without its resets."""

    moment: float
    """Time of the last sample, in Unix seconds."""
    value: float
    """Value of the last sample."""
    total: float
    """Sum of the first value and of all increases since."""

    def add(self, moment: float, value: float) -> None:
        """Add a sample. One that is not newer is ignored: replicas of Prometheus are not equally up to date."""
        if moment <= self.moment:
            return
        self.total += value - self.value if value >= self.value else value
        self.moment, self.value = moment, value


@dataclass
class Tally:
    """The counters of one version in all replicas of the gateway; none of its sums ever decreases.

    A process that has exited keeps what it has counted. Without this, the sum would fall when one of several
    replicas restarts, and be mistaken for a restart of all.
    """

    names: MetricNames
    counters: dict[tuple[tuple[str, str], ...], Counter] = field(default_factory=dict)

    def add(self, series: Iterable[Series]) -> None:
        """Add samples."""
        for each in series:
            key = tuple(sorted(each.labels.items()))
            for moment, value in each.samples:
                if (counter := self.counters.get(key)) is None:
                    self.counters[key] = Counter(moment, value, value)
                else:
                    counter.add(moment, value)

    def counts(self, active: float, age: float) -> Counts:
        """The sums.

        Args:
            active: requests in flight.
            age: see `Counts`.
        """
        sums: dict[Part, float] = defaultdict(float)
        buckets: dict[float, float] = defaultdict(float)
        for key, counter in self.counters.items():
            labels = dict(key)
            for part in self.names.part(labels):
                sums[part] += counter.total
                if part is Part.LATENCIES:
                    buckets[_upper(labels)] += counter.total
        return Counts(
            requests=round(sums[Part.REQUESTS]),
            errors=round(sums[Part.ERRORS]),
            latencies=tuple(Bucket(upper, round(buckets[upper])) for upper in sorted(buckets) if not isinf(upper)),
            active=active,
            age=age,
        )


def _upper(labels: Mapping[str, str]) -> float:
    """The upper bound of a bucket, in milliseconds."""
    return float(labels.get("le", "+Inf"))
