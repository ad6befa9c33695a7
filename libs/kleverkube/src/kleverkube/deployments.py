"""The Deployment of a version."""

from math import ceil

from .containers import MODEL_VOLUME, SCRATCH_VOLUME, SERVER, SHARED_MEMORY_VOLUME, initializer, model_server
from .gpus import gpu_placement
from .labels import VERSION, labels, metadata, selector
from .manifest import Manifest, compact
from .options import ClusterOptions
from .servers import server_of
from .version import ServedVersion

USER = 65532
"""User of all containers, also of images whose own user is root."""
PROGRESS_SECONDS = 600
"""A Deployment that makes no progress for this long has failed: fetching a model and an image takes minutes."""
TERMINATION_MARGIN = 5


def deployment(version: ServedVersion, options: ClusterOptions, replicas: int | None) -> Manifest:
    """Render the Deployment.

    Args:
        version: version that its pods run.
        options: options of the cluster.
        replicas: their number; None leaves it to an autoscaler.
    """
    document = version.model_dump_json(exclude_defaults=True)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(version, options, **{VERSION: document}),
        "spec": {
            **({} if replicas is None else {"replicas": replicas}),
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": progress_deadline(options),
            "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling_update(version)},
            "selector": {"matchLabels": selector(version)},
            "template": {"metadata": {"labels": labels(version, options)}, "spec": pod(version, options)},
        },
    }


def progress_deadline(options: ClusterOptions) -> int:
    """Seconds without progress after which a Deployment has failed."""
    return PROGRESS_SECONDS + ceil(options.ready_seconds)


def rolling_update(version: ServedVersion) -> Manifest:
    """Return the update strategy. A replica with a GPU stops before the next one starts: no second GPU may exist."""
    if version.variant.resources.gpu is not None:
        return {"maxSurge": 0, "maxUnavailable": 1}
    return {"maxSurge": 1, "maxUnavailable": 0}


def pod(version: ServedVersion, options: ClusterOptions, *, server: str = SERVER) -> Manifest:
    """Render the specification of a replica's pod.

    Args:
        version: version that it runs.
        options: options of the cluster.
        server: name of the container that answers requests.
    """
    return compact(
        {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "imagePullSecrets": [{"name": name} for name in options.pull_secrets],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "terminationGracePeriodSeconds": options.drain_seconds + ceil(options.grace_seconds) + TERMINATION_MARGIN,
            "initContainers": [initializer(version, options)],
            "containers": [{**model_server(version, options), "name": server}],
            "volumes": _volumes(version, options),
            **gpu_placement(version.variant, options),
        }
    )


def _volumes(version: ServedVersion, options: ClusterOptions) -> list[Manifest]:
    volumes: list[Manifest] = [{"name": name, "emptyDir": {}} for name in (MODEL_VOLUME, SCRATCH_VOLUME)]
    if server_of(version, options).needs_shared_memory:
        volumes.append({"name": SHARED_MEMORY_VOLUME, "emptyDir": {"medium": "Memory"}})
    return volumes
