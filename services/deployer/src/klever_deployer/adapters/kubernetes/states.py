"""States of versions from their Deployments and pods; pure."""

from collections.abc import Iterable
from datetime import datetime

from klever_deployer.domain.versions import VersionState
from kleverkube.containers import SERVERS
from kleverkube.labels import REVISION, SERVING, VARIANT, recorded
from kleverkube.manifest import Manifest
from kleverkube.reasons import problem
from kleverroutes.versions import ServingName, VersionKey

SANDBOX = "container: seccomp, no capabilities, read-only root"


def version_key(manifest: Manifest) -> VersionKey | None:
    """The version that an object belongs to, by its labels; None if it belongs to none."""
    labels = manifest["metadata"].get("labels", {})
    if not {SERVING, VARIANT, REVISION} <= labels.keys():
        return None
    serving = ServingName(manifest["metadata"]["namespace"], labels[SERVING])
    return VersionKey(serving, labels[VARIANT], labels[REVISION])


def version_state(
    key: VersionKey, deployment: Manifest, pods: Iterable[Manifest], now: datetime, desired: int | None = None
) -> VersionState:
    """The state of a version.

    Args:
        key: key of the version.
        deployment: its Deployment.
        pods: its pods.
        now: the present time.
        desired: the number of replicas that should run; by default that of the Deployment.
    """
    present = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    version = recorded(deployment["metadata"].get("annotations"))
    wanted = deployment["spec"].get("replicas", 1) if desired is None else desired
    return VersionState(
        key,
        desired=wanted,
        ready=min(wanted, sum(map(is_ready, present))),
        restarts=sum(map(_restarts, present)),
        problem=problem(deployment, present, now) if wanted else None,
        runtime=version.runtime if version else "",
        made=version.made if version else "",
        unverified=version.unverified if version else "",
        sandbox=SANDBOX if present else "",
    )


def is_ready(pod: Manifest) -> bool:
    """Return whether a pod takes requests."""
    conditions = pod.get("status", {}).get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _restarts(pod: Manifest) -> int:
    statuses = pod.get("status", {}).get("containerStatuses", ())
    return sum(each.get("restartCount", 0) for each in statuses if each["name"] in SERVERS)
