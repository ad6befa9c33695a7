"""A Kubernetes cluster for the session: a real node, or simulated nodes on a machine that does not allow one."""

import os
from collections.abc import Iterator

import pytest

from support.cluster import leftovers, programs, requirements
from support.cluster.cluster import Cluster, named_by_environment
from support.cluster.gateway import Gateway, running_gateway
from support.cluster.layout import Layout
from support.cluster.running import running
from support.cluster.workloads import load_played_initializer
from support.container_images import platform_images as platform_images_of


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster with a real node, or the cluster that KUBECONFIG names."""
    if named := named_by_environment():
        yield named
        return
    if reason := requirements.missing_for_node() or requirements.missing_for_control_plane():
        pytest.skip(f"this machine cannot run a Kubernetes node: {reason}")
    yield from _started(simulated=False)


@pytest.fixture(scope="session")
def any_cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster for tests that run nothing in containers: kwok simulates the nodes where a real one is not possible."""
    if named_by_environment() or not (reason := requirements.missing_for_node()):
        yield request.getfixturevalue("cluster")
        return
    if missing := requirements.missing_for_control_plane():
        pytest.skip(f"this machine cannot run a Kubernetes control plane: {missing}")
    if reporter := request.config.pluginmanager.get_plugin("terminalreporter"):
        reporter.write_line(f"SIMULATED: kwok simulates the Kubernetes nodes of this run: {reason}", red=True)
    yield from _started(simulated=True)


@pytest.fixture(scope="session")
def own_cluster(cluster: Cluster) -> Cluster:
    """A cluster whose network, processes and images tests can reach."""
    if cluster.own is None:
        pytest.skip(f"{cluster.kubeconfig} names a cluster that these tests did not start")
    return cluster


@pytest.fixture
def cluster_namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of the test's own."""
    with cluster.namespace() as name:
        yield name


@pytest.fixture(scope="session")
def platform_images(own_cluster: Cluster) -> dict[str, str]:
    """The deployer's setting `cluster_images`: images of this checkout, which the node has."""
    return platform_images_of.load(own_cluster)


@pytest.fixture(scope="session")
def cluster_with_initializer(own_cluster: Cluster) -> Cluster:
    """A cluster whose node has an init container that fetches nothing."""
    load_played_initializer(own_cluster)
    return own_cluster


@pytest.fixture(scope="session")
def istio_gateway(own_cluster: Cluster) -> Iterator[Gateway]:
    """An Envoy that is configured by istiod, from the VirtualServices of the cluster."""
    with running_gateway(own_cluster) as gateway:
        yield gateway


def _started(*, simulated: bool) -> Iterator[Cluster]:
    programs.build()
    leftovers.remove()
    with running(Layout(f"klever-test-{os.getpid()}", simulated=simulated)) as started:
        yield started
