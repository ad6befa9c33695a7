"""The deployer's own metrics, for alerts."""

from prometheus_client import CollectorRegistry, Histogram

from kleverkit.metrics import gauge, histogram
from kleverproto.metrics import RECONCILE_DURATION, ROLLOUT_DURATION, SERVINGS_RESTORED, SERVINGS_UNEXPLAINED
from kleverproto.strategies import BlueGreen, Canary, Recreate, Rolling

from .service.reconciler import Reconciler
from .service.restorer import Restorer


def reconcile_duration(registry: CollectorRegistry) -> Histogram:
    """Create the histogram of reconciliations; each result is exported as 0, so that the first one is an increase."""
    duration = histogram(RECONCILE_DURATION, registry)
    for result in ("success", "superseded", "error"):
        duration.labels(result)
    return duration


def rollout_duration(registry: CollectorRegistry) -> Histogram:
    """Create the histogram of rollouts; each strategy and result is exported as 0, as above."""
    duration = histogram(ROLLOUT_DURATION, registry)
    for strategy in (Rolling, Recreate, BlueGreen, Canary):
        for result in ("ready", "failed"):
            duration.labels(strategy().type, result)
    return duration


def add_metrics(registry: CollectorRegistry, restorer: Restorer, reconciler: Reconciler) -> None:
    """Add the gauges that are zero in normal operation."""
    gauge(SERVINGS_RESTORED, registry).set_function(lambda: restorer.restored)
    gauge(SERVINGS_UNEXPLAINED, registry).set_function(lambda: len(reconciler.unexplained))
