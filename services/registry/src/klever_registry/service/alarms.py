"""Alarms: problems that require an operator while the service works. They are logged and exposed as a metric."""

from dataclasses import dataclass, field

import structlog
from prometheus_client import CollectorRegistry

from kleverkit.metrics import gauge
from kleverproto.metrics import REGISTRY_ALARM

log = structlog.get_logger(__name__)


@dataclass
class Alarms:
    """Raises and clears alarms by name.

    Attributes:
        registry: the registry of the service's metrics.
    """

    registry: CollectorRegistry
    raised: dict[str, str] = field(default_factory=dict)
    """Problems of raised alarms by name, each as a sentence with a remedy."""

    def __post_init__(self) -> None:
        self._gauge = gauge(REGISTRY_ALARM, self.registry)

    def set(self, name: str, problem: str | None) -> None:
        """Raise an alarm, or clear it if there is no problem."""
        if problem is not None and self.raised.get(name) != problem:
            log.error("alarm", name=name, problem=problem)
        if problem is None and self.raised.pop(name, None) is not None:
            log.info("alarm cleared", name=name)
        if problem is not None:
            self.raised[name] = problem
        self._gauge.labels(name).set(0 if problem is None else 1)
