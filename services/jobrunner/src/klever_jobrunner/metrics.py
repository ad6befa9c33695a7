"""The jobrunner's own metrics, for alerts."""

from prometheus_client import CollectorRegistry, Gauge

from .service.deletions import Deletions


def add_metrics(registry: CollectorRegistry, deletions: Deletions) -> None:
    """Add the gauges that are zero in normal operation."""
    unreadable = Gauge(
        "klever_jobrunner_unreadable_jobs",
        "Jobs whose documents cannot be read; they are not changed, and the log contains their keys",
        registry=registry,
    )
    unreadable.set_function(lambda: len(deletions.unreadable))
