"""The deployer's own metrics, for alerts."""

from prometheus_client import CollectorRegistry

from kleverkit.metrics import gauge
from kleverproto.metrics import SERVINGS_RESTORED, SERVINGS_UNEXPLAINED

from .service.reconciler import Reconciler
from .service.restorer import Restorer


def add_metrics(registry: CollectorRegistry, restorer: Restorer, reconciler: Reconciler) -> None:
    """Add the gauges that are zero in normal operation."""
    gauge(SERVINGS_RESTORED, registry).set_function(lambda: restorer.restored)
    gauge(SERVINGS_UNEXPLAINED, registry).set_function(lambda: len(reconciler.unexplained))
