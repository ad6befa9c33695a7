"""A Kubernetes cluster for the session: a real node, or simulated nodes on a machine that does not allow one."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cluster import leftovers, programs, requirements
from support.cluster.layout import Layout, clusters
from support.cluster.running import Cluster, namespace, running


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster with a real node; that of `task cluster:up` if KUBECONFIG names it."""
    if reason := requirements.missing_for_node() or requirements.missing_for_control_plane():
        pytest.skip(f"this machine cannot run a Kubernetes node: {reason}")
    yield from _cluster(simulated=False)


@pytest.fixture(scope="session")
def any_cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster for tests that need the API only: simulated nodes where a real one is not possible."""
    if reason := requirements.missing_for_control_plane():
        pytest.skip(f"this machine cannot run a Kubernetes control plane: {reason}")
    if reason := requirements.missing_for_node():
        warnings.warn(f"the Kubernetes nodes of this run are simulated: {reason}", stacklevel=1)
        yield from _cluster(simulated=True)
    else:
        yield request.getfixturevalue("cluster")


@pytest.fixture
def cluster_namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of the test's own."""
    with namespace(cluster) as name:
        yield name


def _cluster(*, simulated: bool) -> Iterator[Cluster]:
    if (developers := Path(os.environ.get("KUBECONFIG", "")).parent).parent == clusters():
        yield Cluster(Layout(developers.name, simulated=simulated))
        return
    programs.build()
    leftovers.remove()
    with running(Layout(f"klever-test-{os.getpid()}", simulated=simulated)) as started:
        yield started
