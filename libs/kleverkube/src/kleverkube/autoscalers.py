"""The HorizontalPodAutoscaler of a version with autoscaling."""

from math import ceil

from kleverproto.variants import Variant

from .errors import UnsupportedOnClusterError
from .labels import metadata
from .manifest import Manifest
from .options import ClusterOptions
from .version import ServedVersion

CPU_PERCENT = 80
"""Target in percent of the requested CPU, which metrics-server measures."""
LONGEST_WINDOW = 3600
"""Seconds, the limit of the API."""


def autoscaler(version: ServedVersion, options: ClusterOptions, target: str | None = None) -> Manifest | None:
    """Render the HorizontalPodAutoscaler (autoscaling/v2); None without autoscaling, or if the deployer scales.

    Args:
        version: whose replicas are scaled.
        options: options of the cluster.
        target: name of the Deployment; by default that of all objects of the version.

    Raises:
        UnsupportedOnClusterError: see `check_autoscaling`.
    """
    check_autoscaling(version.variant, options)
    scaling = version.variant.autoscaling
    if scaling is None or not options.autoscalers:
        return None
    meta = metadata(version, options)
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": CPU_PERCENT}}
    window = min(ceil(scaling.scale_down_seconds), LONGEST_WINDOW)
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": meta,
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target or meta["name"]},
            "minReplicas": scaling.min_replicas,
            "maxReplicas": scaling.max_replicas,
            "metrics": [{"type": "Resource", "resource": cpu}],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": window}},
        },
    }


def check_autoscaling(variant: Variant, options: ClusterOptions) -> None:
    """Raises UnsupportedOnClusterError if the variant cannot be scaled on this cluster."""
    if variant.autoscaling is None:
        return
    if variant.autoscaling.min_replicas == 0:
        raise UnsupportedOnClusterError(
            f"variant {variant.name} has minReplicas 0, and nothing on the cluster would start the first replica. "
            "Set autoscaling.minReplicas to 1 or more"
        )
    if options.autoscalers and variant.resources.cpu is None:
        raise UnsupportedOnClusterError(
            f"variant {variant.name} has autoscaling, which follows the CPU on a cluster, and requests none. "
            "Set resources.cpu"
        )
