"""Reasons why the pods of a version do not start, as sentences; pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from kleverkube.containers import INITIALIZER
from kleverkube.manifest import Manifest

UNSCHEDULABLE_PATIENCE = timedelta(seconds=30)
"""A pod that no node can run may wait for a node that is added."""
STARTS = 2
"""Restarts after which a container that exits has a problem: it was started three times."""
LONGEST = 1500
"""Characters of a message."""
IMAGE_REASONS = frozenset({"ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"})
"""Reasons of failed pulls. ErrImagePull is not one: the kubelet retries after the first failure."""
CREATION_REASONS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})


def problem(deployment: Manifest, pods: Iterable[Manifest], now: datetime) -> str | None:
    """Return the reason why a version does not start, as a sentence; None if no obstacle is known."""
    refused = _condition(deployment, "ReplicaFailure")
    if refused.get("status") == "True":
        return f"the cluster refuses its pods: {_text(refused)}"
    for pod in sorted(pods, key=lambda each: str(each["metadata"]["name"])):
        if reason := pod_problem(pod, now):
            return reason
    progress = _condition(deployment, "Progressing")
    if progress.get("reason") == "ProgressDeadlineExceeded":
        return f"the Deployment makes no progress: {_text(progress)}"
    return None


def pod_problem(pod: Manifest, now: datetime) -> str | None:
    """Return the reason why a pod does not become ready, as a sentence; None if no obstacle is known."""
    if "deletionTimestamp" in pod["metadata"]:
        return None
    if reason := _unschedulable(pod, now):
        return reason
    status = pod.get("status", {})
    statuses = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    return next(filter(None, (_container_problem(each, pod) for each in statuses)), None)


def _unschedulable(pod: Manifest, now: datetime) -> str | None:
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") != "False" or scheduled.get("reason") != "Unschedulable":
        return None
    since = datetime.fromisoformat(scheduled.get("lastTransitionTime") or pod["metadata"]["creationTimestamp"])
    return f"no node can run it: {_text(scheduled)}" if now - since >= UNSCHEDULABLE_PATIENCE else None


def _container_problem(status: Manifest, pod: Manifest) -> str | None:
    if status.get("ready"):
        return None
    waiting = status.get("state", {}).get("waiting", {})
    reason = waiting.get("reason")
    if reason in IMAGE_REASONS:
        return f"the image {status.get('image', '')} cannot be pulled: {_text(waiting)}"
    if reason in CREATION_REASONS:
        return f"the container {status['name']} cannot be created: {_text(waiting)}"
    if reason == "CrashLoopBackOff" and status.get("restartCount", 0) >= STARTS:
        return _exit_problem(status, pod)
    return None


def _exit_problem(status: Manifest, pod: Manifest) -> str:
    """Return the last exit as a sentence; its message is the last output of the container."""
    ended = status.get("lastState", {}).get("terminated", {})
    if ended.get("reason") == "OOMKilled":
        limit = _memory_limit(pod, status["name"])
        used = f"more than {limit} of memory" if limit else "more memory than its node has"
        return f"the container {status['name']} was killed because it used {used}. Raise resources.memory"
    said = _text(ended)
    if status["name"] == INITIALIZER:
        return f"the model cannot be fetched: {said}"
    return f"the model server exits with code {ended.get('exitCode', 'unknown')}: {said}"


def _memory_limit(pod: Manifest, container: str) -> str:
    spec = pod.get("spec", {})
    containers = [*spec.get("initContainers", ()), *spec.get("containers", ())]
    resources = [each.get("resources", {}) for each in containers if each["name"] == container]
    return str(resources[0].get("limits", {}).get("memory", "")) if resources else ""


def _condition(manifest: Manifest, kind: str) -> Manifest:
    conditions: list[Manifest] = manifest.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == kind), {})


def _text(part: Manifest) -> str:
    return str(part.get("message") or part.get("reason") or "no reason is given").strip()[-LONGEST:]
