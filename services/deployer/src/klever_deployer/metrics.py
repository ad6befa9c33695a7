"""The deployer's own metrics, for alerts."""

from prometheus_client import CollectorRegistry, Gauge

from .service.reconciler import Reconciler
from .service.restorer import Restorer


def add_metrics(registry: CollectorRegistry, restorer: Restorer, reconciler: Reconciler) -> None:
    """Add the gauges that are zero in normal operation."""
    restored = Gauge(
        "klever_deployer_restored_servings",
        "Servings that were lost from their bucket and restored since the deployer started",
        registry=registry,
    )
    restored.set_function(lambda: restorer.restored)
    unexplained = Gauge(
        "klever_deployer_unexplained_servings",
        "Servings that run without a document or a tombstone; they are not changed",
        registry=registry,
    )
    unexplained.set_function(lambda: len(reconciler.unexplained))
