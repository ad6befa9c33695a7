"""What the deployer counts of itself, for alarms."""

from prometheus_client import CollectorRegistry, Gauge

from .service.reconciler import Reconciler
from .service.restorer import Restorer


def add_metrics(registry: CollectorRegistry, restorer: Restorer, reconciler: Reconciler) -> None:
    """Add what should be zero."""
    restored = Gauge(
        "klever_deployer_restored_servings",
        "Servings that their bucket had lost and that were restored since the deployer began",
        registry=registry,
    )
    restored.set_function(lambda: restorer.restored)
    unexplained = Gauge(
        "klever_deployer_unexplained_servings",
        "Servings that run, of which there is neither a document nor a tombstone; they are left alone",
        registry=registry,
    )
    unexplained.set_function(lambda: len(reconciler.unexplained))
