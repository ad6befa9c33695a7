"""Derives the number of replicas from the requests in flight."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil

from kleverproto.variants import Autoscaling

RECENT = 3
"""Number of readings that are averaged, so that a short burst has no effect."""


@dataclass(frozen=True)
class Demand:
    """The load of a variant at one reading."""

    in_flight: float
    """Requests in flight."""
    requests: int
    """Requests completed since the previous reading; short ones are rarely in flight at a reading."""


@dataclass
class Scale:
    """The number of replicas of one variant over time.

    It increases as soon as recent readings require more. It decreases only when no reading has required as many for
    `scaleDownSeconds`, so that replicas are not stopped between two bursts.
    """

    replicas: int
    _looks: deque[Demand] = field(default_factory=lambda: deque(maxlen=RECENT))
    _required: deque[tuple[float, int]] = field(default_factory=deque)
    """Times (seconds, any origin) and the numbers of replicas that were required then."""

    def wake(self) -> None:
        """Scale to at least one replica for a waiting request, regardless of the next reading."""
        self.replicas = max(self.replicas, 1)
        self._required.clear()

    def look(self, demand: Demand, scaling: Autoscaling, now: float) -> int:
        """The number of replicas after a reading.

        Args:
            demand: the reading.
            scaling: target and bounds.
            now: monotonic seconds.
        """
        self._looks.append(demand)
        if not self._required:
            self._required.append((now, self.replicas))
        self._required.append((now, required_replicas(self._looks, scaling)))
        while now - self._required[0][0] > scaling.scale_down_seconds:
            self._required.popleft()
        self.replicas = max(number for _, number in self._required)
        return self.replicas


def required_replicas(looks: Iterable[Demand], scaling: Autoscaling) -> int:
    """The number of replicas that these readings require."""
    demands = list(looks)
    average = sum(demand.in_flight for demand in demands) / len(demands)
    busy = any(demand.in_flight or demand.requests for demand in demands)
    wanted = max(ceil(average / scaling.target_in_flight), 1 if busy else 0)
    return min(max(wanted, scaling.min_replicas), scaling.max_replicas)
