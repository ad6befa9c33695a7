"""The reasons why pods do not start, from statuses as the kubelet and the controllers write them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from klever_deployer.adapters.kubernetes.states import version_key, version_state
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkube.reasons import problem
from kleverkube.rendering import render
from kleverproto.variants import Resources
from kleverroutes.versions import ServingName, VersionKey
from support.served_versions import served

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LIMITED = served(resources=Resources(memory="512Mi"))


def deployment(replicas: int = 1, **conditions: dict[str, str]) -> Manifest:
    rendered = next(each for each in render(LIMITED, ClusterOptions(), replicas) if each["kind"] == "Deployment")
    listed = [{"type": kind, **condition} for kind, condition in conditions.items()]
    return {**rendered, "status": {"conditions": listed}}


def pod(*, name: str = "iris-1", deleted: bool = False, **status: Any) -> Manifest:
    template = deployment()["spec"]["template"]
    metadata = {"name": name, "creationTimestamp": NOW.isoformat(), **({"deletionTimestamp": "now"} if deleted else {})}
    return {"metadata": {**template["metadata"], **metadata}, "spec": template["spec"], "status": status}


def waiting(reason: str, message: str = "", *, restarts: int = 0, container: str = "server") -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"name": container, "image": "ghcr.io/acme/x:1", "ready": False, "restartCount": restarts, "state": state}


def crashed(container: str = "server", *, restarts: int = 2, **ended: Any) -> dict[str, Any]:
    back_off = waiting("CrashLoopBackOff", "back-off 40s", restarts=restarts, container=container)
    return {**back_off, "lastState": {"terminated": {"exitCode": 1, **ended}}}


def unschedulable(since: datetime) -> Manifest:
    message = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return pod(conditions=[{**condition, "lastTransitionTime": since.isoformat().replace("+00:00", "Z")}])


REASONS: dict[str, tuple[Manifest, str]] = {
    "image": (
        pod(containerStatuses=[waiting("ImagePullBackOff", 'Back-off pulling image "ghcr.io/acme/x:1"')]),
        'the image ghcr.io/acme/x:1 cannot be pulled: Back-off pulling image "ghcr.io/acme/x:1"',
    ),
    "model": (
        pod(initContainerStatuses=[crashed("ormb-storage-initializer", message="Error: manifest unknown\n")]),
        "the model cannot be fetched: Error: manifest unknown",
    ),
    "crash loop": (
        pod(containerStatuses=[crashed(exitCode=3, message="line 1\ncannot load the model")]),
        "the model server exits with code 3: line 1\ncannot load the model",
    ),
    "memory": (
        pod(containerStatuses=[crashed(exitCode=137, reason="OOMKilled")]),
        "the container server was killed because it used more than 512Mi of memory. Raise resources.memory",
    ),
    "secret": (
        pod(containerStatuses=[waiting("CreateContainerConfigError", 'secret "upstream" not found')]),
        'the container server cannot be created: secret "upstream" not found',
    ),
    "nodes": (
        unschedulable(NOW - timedelta(seconds=31)),
        "no node can run it: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
    ),
}


@pytest.mark.parametrize("case", REASONS)
def test_pods_that_do_not_start_have_a_reason(case: str) -> None:
    failed, sentence = REASONS[case]
    assert problem(deployment(), [failed], NOW) == sentence


@pytest.mark.parametrize(
    "starting",
    [
        pod(),
        pod(containerStatuses=[waiting("ContainerCreating")]),
        pod(containerStatuses=[waiting("ErrImagePull", "timeout")]),
        pod(containerStatuses=[crashed(restarts=1, message="the registry does not respond")]),
        pod(containerStatuses=[{**crashed(restarts=5), "ready": True, "state": {"running": {}}}]),
        pod(deleted=True, containerStatuses=[crashed()]),
        unschedulable(NOW - timedelta(seconds=29)),
    ],
)
def test_pods_that_may_still_start_have_no_problem(starting: Manifest) -> None:
    assert problem(deployment(), [starting], NOW) is None


def test_a_quota_or_admission_refusal_is_a_problem_without_any_pod() -> None:
    message = 'pods "iris-1" is forbidden: exceeded quota: small, requested: requests.cpu=2'
    refused = deployment(ReplicaFailure={"status": "True", "reason": "FailedCreate", "message": message})
    assert problem(refused, [], NOW) == f"the cluster refuses its pods: {message}"


def test_a_progress_deadline_is_reported_only_if_the_pods_have_no_reason() -> None:
    late = deployment(Progressing={"status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"})
    assert problem(late, [pod()], NOW) == "the Deployment makes no progress: timed out"
    assert problem(late, [REASONS["model"][0]], NOW) == REASONS["model"][1]


def test_long_messages_keep_their_last_lines() -> None:
    said = problem(deployment(), [pod(containerStatuses=[crashed(message="x" * 5000 + " the end")])], NOW) or ""
    assert said.endswith("the end")
    assert len(said) < 2000


def ready(restarts: int = 0) -> dict[str, Any]:
    container = {"name": "server", "ready": True, "restartCount": restarts, "state": {"running": {}}}
    return {"conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [container]}


KEY = VersionKey(ServingName("default", "iris"), "v1", LIMITED.revision)


def test_a_state_counts_pods_that_are_not_terminating() -> None:
    pods = [pod(**ready(2)), pod(name="iris-2", **ready()), pod(name="iris-3", deleted=True, **ready(7)), pod()]
    state = version_state(KEY, deployment(3), pods, NOW)
    assert (state.desired, state.ready, state.restarts, state.problem) == (3, 2, 2, None)
    assert (state.runtime, bool(state.sandbox)) == ("kleverserve", True)


def test_surplus_pods_of_an_update_are_not_counted_beyond_the_desired_number() -> None:
    assert version_state(KEY, deployment(1), [pod(**ready()), pod(name="iris-2", **ready())], NOW).ready == 1


def test_a_version_without_replicas_has_no_problem() -> None:
    assert version_state(KEY, deployment(0), [REASONS["model"][0]], NOW).problem is None


def test_objects_name_their_version_by_labels() -> None:
    assert version_key(deployment()) == KEY
    assert version_key({"metadata": {"namespace": "default", "name": "foreign"}}) is None
