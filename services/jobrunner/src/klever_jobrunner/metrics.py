"""What the jobrunner counts of itself, for alarms."""

from prometheus_client import CollectorRegistry, Gauge

from .service.deletions import Deletions


def add_metrics(registry: CollectorRegistry, deletions: Deletions) -> None:
    """Add what should be zero."""
    unreadable = Gauge(
        "klever_jobrunner_unreadable_jobs",
        "Jobs whose documents cannot be read; they are left alone, and the log names them",
        registry=registry,
    )
    unreadable.set_function(lambda: len(deletions.unreadable))
