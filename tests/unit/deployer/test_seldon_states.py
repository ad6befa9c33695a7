"""The state of a version for which Seldon Core has created no Deployment."""

from datetime import UTC, datetime, timedelta

import pytest

from klever_deployer.adapters.kubernetes.seldon.workloads import SeldonWorkloads
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkube.seldon.rendering import render
from kleverkubeclient.api import KubernetesApi
from support.served_versions import served

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def workloads(clock: Clock) -> SeldonWorkloads:
    return SeldonWorkloads(KubernetesApi(), ClusterOptions(), lambda _digest: None, clock=clock)


def stored(uid: str) -> Manifest:
    """The SeldonDeployment of a version, as the API server has stored it."""
    manifest = render([served(replicas=2)], ClusterOptions())[-1]
    return {**manifest, "metadata": {**manifest["metadata"], "uid": uid, "resourceVersion": uid}}


def problems(workloads: SeldonWorkloads) -> list[str | None]:
    return [state.problem for state in workloads.states()]


def test_it_has_a_problem_after_a_while(workloads: SeldonWorkloads, clock: Clock) -> None:
    workloads.roots.put(stored("1"))
    assert problems(workloads) == [None]
    clock.now += MINUTE
    assert "check that its operator runs" in (problems(workloads)[0] or "")


def test_the_time_starts_again_when_the_version_was_deleted_and_is_created_again(
    workloads: SeldonWorkloads, clock: Clock
) -> None:
    workloads.roots.put(stored("1"))
    assert problems(workloads) == [None]
    workloads.roots.forget(stored("1"))
    assert problems(workloads) == []
    clock.now += MINUTE
    workloads.roots.put(stored("2"))
    assert problems(workloads) == [None]


def test_a_deployment_that_an_interrupted_watch_has_not_reported_is_no_problem(
    workloads: SeldonWorkloads, clock: Clock
) -> None:
    workloads.roots.put(stored("1"))
    assert problems(workloads) == [None]
    clock.now += MINUTE
    workloads.deployments.problem = "the API server does not respond"
    assert problems(workloads) == [None]
    workloads.deployments.problem = None
    assert problems(workloads) == [None]
    clock.now += MINUTE
    assert problems(workloads) != [None]
