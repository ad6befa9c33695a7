"""What somebody should look at though the service works: in the log and as a metric, where grave in readiness too."""

from dataclasses import dataclass, field

import structlog
from prometheus_client import CollectorRegistry, Gauge

log = structlog.get_logger(__name__)


@dataclass
class Alarms:
    """Raised and cleared by name.

    Attributes:
        registry: of the service's metrics.
    """

    registry: CollectorRegistry
    raised: dict[str, str] = field(default_factory=dict)
    """Name to what is wrong and what to do."""

    def __post_init__(self) -> None:
        self._gauge = Gauge(
            "klever_registry_alarm",
            "1 while something needs attention; the log says what",
            ["name"],
            registry=self.registry,
        )

    def set(self, name: str, problem: str | None) -> None:
        """Raise the alarm of a name, or clear it."""
        if problem is not None and self.raised.get(name) != problem:
            log.error("alarm", name=name, problem=problem)
        if problem is None and self.raised.pop(name, None) is not None:
            log.info("alarm is over", name=name)
        if problem is not None:
            self.raised[name] = problem
        self._gauge.labels(name).set(0 if problem is None else 1)
