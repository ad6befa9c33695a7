"""The state of a version for which KServe has created no Deployment."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from klever_deployer.adapters.kubernetes.kserve import KSERVE
from klever_deployer.adapters.kubernetes.workloads import ClusterWorkloads
from klever_deployer.domain.versions import VersionState
from kleverkube.kserve.inference_services import inference_service
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkubeclient.api import KubernetesApi
from support.served_versions import served

OPTIONS = ClusterOptions()
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def stored() -> Manifest:
    """The InferenceService of a version, as the API server has stored it."""
    version = served(replicas=2)
    manifest = inference_service(version, OPTIONS, 2)
    created = {"uid": "1", "resourceVersion": "1", "creationTimestamp": NOW.isoformat()}
    return {**manifest, "metadata": {**manifest["metadata"], **created}}


def state_at(clock: Callable[[], datetime]) -> VersionState:
    workloads = ClusterWorkloads(KubernetesApi(), OPTIONS, lambda _digest: None, clock=clock, kind=KSERVE)
    workloads.roots.put(stored())
    [state] = workloads.states()
    return state


def test_it_is_not_ready_and_may_still_start() -> None:
    state = state_at(lambda: NOW)
    assert (state.desired, state.ready, state.problem) == (2, 0, None)


def test_after_a_while_the_problem_says_where_to_look() -> None:
    problem = state_at(lambda: NOW + timedelta(minutes=1)).problem
    assert problem is not None
    assert "check that its controller runs" in problem
    assert f"kubectl describe inferenceservice {stored()['metadata']['name']} --namespace default" in problem


def test_a_deployment_that_an_interrupted_watch_has_not_reported_is_no_problem() -> None:
    clock = NOW + timedelta(minutes=1)
    workloads = ClusterWorkloads(KubernetesApi(), OPTIONS, lambda _digest: None, clock=lambda: clock, kind=KSERVE)
    workloads.roots.put(stored())
    workloads.deployments.problem = "the API server does not respond"
    assert [state.problem for state in workloads.states()] == [None]


def test_it_is_known_by_its_annotation() -> None:
    workloads = ClusterWorkloads(KubernetesApi(), OPTIONS, lambda _digest: None, kind=KSERVE)
    workloads.roots.put(stored())
    assert [each.serving for each in workloads.served()] == ["iris"]
