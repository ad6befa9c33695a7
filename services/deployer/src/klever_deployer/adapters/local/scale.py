"""How many replicas the requests in flight ask for."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil

from kleverproto.variants import Autoscaling

RECENT = 3
"""Readings whose average is used: a single reading would follow every burst."""


@dataclass(frozen=True)
class Demand:
    """What was seen of a variant at one look."""

    in_flight: int
    """Requests at this moment."""
    requests: int
    """Answered since the look before: short ones are seldom seen in flight."""


@dataclass
class Scale:
    """The number of replicas of one variant over time.

    It grows as soon as recent looks ask for more, and shrinks when for `scaleDownSeconds` no look has asked for as
    many: gusts do not end replicas that are needed again a moment later.
    """

    replicas: int
    _looks: deque[Demand] = field(default_factory=lambda: deque(maxlen=RECENT))
    _asked: deque[tuple[float, int]] = field(default_factory=deque)
    """Moment (seconds, any origin) to what was asked for then."""

    def wake(self) -> None:
        """A request waits: one replica at least, whatever the next look says."""
        self.replicas = max(self.replicas, 1)
        self._asked.clear()

    def look(self, demand: Demand, scaling: Autoscaling, now: float) -> int:
        """The number of replicas after a look.

        Args:
            demand: what was seen.
            scaling: target and bounds.
            now: seconds, growing.
        """
        self._looks.append(demand)
        if not self._asked:
            self._asked.append((now, self.replicas))
        self._asked.append((now, asked_for(self._looks, scaling)))
        while now - self._asked[0][0] > scaling.scale_down_seconds:
            self._asked.popleft()
        self.replicas = max(number for _, number in self._asked)
        return self.replicas


def asked_for(looks: Iterable[Demand], scaling: Autoscaling) -> int:
    """How many replicas these looks ask for."""
    demands = list(looks)
    average = sum(demand.in_flight for demand in demands) / len(demands)
    busy = any(demand.in_flight or demand.requests for demand in demands)
    wanted = max(ceil(average / scaling.target_in_flight), 1 if busy else 0)
    return min(max(wanted, scaling.min_replicas), scaling.max_replicas)
