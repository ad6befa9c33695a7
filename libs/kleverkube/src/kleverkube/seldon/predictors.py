"""The predictor of a version in a SeldonDeployment."""

from typing import Any

from kleverkube.autoscalers import autoscaler, check_autoscaling
from kleverkube.containers import SERVER, model_server
from kleverkube.deployments import pod, progress_deadline
from kleverkube.labels import MANAGED_BY, labels
from kleverkube.manifest import Manifest, compact
from kleverkube.options import ClusterOptions
from kleverkube.servers import TRITON_METRICS_PORT
from kleverkube.version import ServedVersion

from .naming import predictor_name

NO_ENGINE = {"seldon.io/no-engine": "true"}
"""Requests reach the model server without Seldon Core's orchestrator."""
METRICS_PORTS = {"triton": TRITON_METRICS_PORT, "mlserver": 8082}
METRICS_PORT = 6000
"""Port of the other runtimes. Without a port `metrics`, the operator adds one whose number depends on the position of
the predictor, and the removal of a predictor would restart the pods of those after it."""
LIVENESS_PERIOD, LIVENESS_FAILURES = 5, 6


def predictor(version: ServedVersion, options: ClusterOptions, replicas: int | None) -> Manifest:
    """Render the predictor.

    Args:
        version: version that its pods run.
        options: options of the cluster.
        replicas: their number; None leaves it to an autoscaler.

    Raises:
        UnsupportedOnClusterError: the variant cannot run on a cluster.
    """
    check_autoscaling(version.variant, options)
    component: Manifest = {"spec": {**pod(version, options), "containers": [_server(version, options)]}}
    return compact(
        {
            "name": predictor_name(version.serving, version.variant.name, version.revision),
            "annotations": dict(NO_ENGINE),
            "labels": pod_labels(version, options),
            "graph": {"name": SERVER, "type": "MODEL"},
            "replicas": replicas,
            "progressDeadlineSeconds": progress_deadline(options),
            "componentSpecs": [component | ({} if replicas is not None else _autoscaling(version, options))],
        }
    )


def pod_labels(version: ServedVersion, options: ClusterOptions) -> dict[str, str]:
    """The labels of a version's Deployment and pods; the operator sets who manages them."""
    return {name: value for name, value in labels(version, options).items() if name != MANAGED_BY}


def _server(version: ServedVersion, options: ClusterOptions) -> Manifest:
    """The container, complete in everything that the operator would add defaults for."""
    container = model_server(version, options)
    metrics = {"name": "metrics", "containerPort": METRICS_PORTS.get(version.runtime, METRICS_PORT)}
    return {
        "livenessProbe": _liveness(),
        **container,
        "ports": [{**port, "protocol": "TCP"} for port in (*container["ports"], metrics)],
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(options.drain_seconds)]}}},
    }


def _liveness() -> Manifest:
    """Return a probe that needs no path. The operator's default would restart a server that is busy for 15 s."""
    probe: dict[str, Any] = {"tcpSocket": {"port": "http"}}
    return {**probe, "periodSeconds": LIVENESS_PERIOD, "failureThreshold": LIVENESS_FAILURES}


def _autoscaling(version: ServedVersion, options: ClusterOptions) -> Manifest:
    """The autoscaler; Seldon Core's has no window for scaling down."""
    rendered = autoscaler(version, options)
    if rendered is None:
        return {}
    spec = rendered["spec"]
    bounds = {name: spec[name] for name in ("minReplicas", "maxReplicas")}
    return {"hpaSpec": {**bounds, "metricsv2": spec["metrics"]}}
