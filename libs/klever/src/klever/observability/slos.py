"""The service level objectives."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Objective:
    """A share of events that must be good, over 30 days.

    Attributes:
        objective: the share, between 0 and 1.
        threshold: seconds that a good event may take; 0 if its duration does not count.
    """

    objective: float
    threshold: float = 0

    @property
    def budget(self) -> float:
        """The share of events that may be bad."""
        return round(1 - self.objective, 6)


AVAILABILITY = Objective(0.999)
"""Predictions that are answered without a 5xx status."""
LATENCY = Objective(0.99, threshold=0.5)
"""Predictions that are answered in time, as measured at the ingress. The threshold is a boundary of Envoy's buckets."""
PUSH = Objective(0.95, threshold=60)
"""Pushes that are servable in time. The threshold is a boundary of `klever_push_to_servable_seconds`."""
