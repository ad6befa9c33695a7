"""The InferenceService of a version."""

from kleverkube.containers import KSERVE_SERVER
from kleverkube.deployments import pod, rolling_update
from kleverkube.errors import UnsupportedOnClusterError
from kleverkube.labels import VERSION, labels
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkube.version import ServedVersion
from kleverproto.variants import Variant

from .names import inference_service_name

GROUP = "serving.kserve.io"
MODE = f"{GROUP}/deploymentMode"
AUTOSCALER = f"{GROUP}/autoscalerClass"
FIXED, EXTERNAL = "none", "external"
"""KServe sets the number of replicas, or leaves it to an autoscaler that it does not create."""
BLOCKED = frozenset({"PYTHONPATH"})
"""Variables that KServe refuses since 0.18."""


def inference_service(version: ServedVersion, options: ClusterOptions, replicas: int | None) -> Manifest:
    """Render the InferenceService, in Standard mode and without a route of KServe.

    KServe copies labels and annotations to pods, so that these must not change while the revision stays the same.

    Args:
        version: version that its pods run.
        options: options of the cluster.
        replicas: their number; None leaves it to an autoscaler.

    Raises:
        UnsupportedOnClusterError: the namespace is too long, or KServe refuses a variable.
    """
    check_environment(version.variant)
    parts = (version.namespace, version.serving, version.variant.name, version.revision)
    return {
        "apiVersion": f"{GROUP}/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": inference_service_name(*parts),
            "namespace": version.namespace,
            "labels": {**labels(version, options), "networking.kserve.io/visibility": "cluster-local"},
            "annotations": {
                MODE: options.kserve_mode,
                AUTOSCALER: EXTERNAL if replicas is None else FIXED,
                VERSION: _revision_only(version).model_dump_json(exclude_defaults=True),
            },
        },
        "spec": {
            "predictor": {
                **({} if replicas is None else {"minReplicas": replicas, "maxReplicas": replicas}),
                "deploymentStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling_update(version)},
                **pod(version, options, server=KSERVE_SERVER),
            }
        },
    }


def check_environment(variant: Variant) -> None:
    """Raises UnsupportedOnClusterError if KServe refuses a variable of the variant."""
    if blocked := sorted(BLOCKED & variant.env.keys()):
        raise UnsupportedOnClusterError(
            f"variant {variant.name} sets {', '.join(blocked)}, which KServe does not allow. Remove it from env"
        )


def _revision_only(version: ServedVersion) -> ServedVersion:
    """The version without what may change while its pods stay the same."""
    variant = version.variant.model_copy(update={"replicas": 1, "autoscaling": None})
    return version.model_copy(update={"variant": variant})
