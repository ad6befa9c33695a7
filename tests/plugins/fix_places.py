"""The place of the scenarios in tests/everywhere: this machine, or with `--place cluster` a Kubernetes cluster."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from support.cluster.cluster import Cluster
from support.cluster.gateway import Gateway
from support.kserve import running_kserve
from support.places.place import Place
from support.places.running import KSERVE, PLAIN, SELDON, running_on_cluster, running_on_laptop
from support.seldon_process import running_seldon

RunOnCluster = Callable[[Path, Mapping[str, str]], AbstractContextManager[Place]]
"""Takes the directory of the platform's files, and the settings that choose a backend."""


@pytest.fixture(scope="session")
def place(request: pytest.FixtureRequest) -> Place:
    """A running platform, and where it serves."""
    chosen: Place = request.getfixturevalue(f"place_{request.param}")
    return chosen


@pytest.fixture(scope="session")
def place_laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A platform that serves on this machine."""
    with running_on_laptop(tmp_path_factory.mktemp("laptop")) as running:
        yield running


@pytest.fixture(scope="session")
def run_on_cluster(own_cluster: Cluster, istio_gateway: Gateway, platform_images: dict[str, str]) -> RunOnCluster:
    """Runs a platform on this machine that serves on the cluster, through istiod and its Envoy."""
    return partial(running_on_cluster, own_cluster, istio_gateway, platform_images)


@pytest.fixture(scope="session")
def place_cluster(run_on_cluster: RunOnCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A platform that serves on the cluster as Deployments."""
    with run_on_cluster(tmp_path_factory.mktemp("cluster"), PLAIN) as running:
        yield running


@pytest.fixture(scope="session")
def place_kserve(
    own_cluster: Cluster, run_on_cluster: RunOnCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """A platform that serves on the cluster as InferenceServices, which KServe's controller turns into Deployments."""
    directory = tmp_path_factory.mktemp("kserve")
    with (
        running_kserve(own_cluster.kubeconfig, directory, own_cluster.expose) as controller,
        run_on_cluster(directory, KSERVE) as running,
    ):
        controller.set_default_requests(cpu="50m", memory="64Mi")  # the node is small
        yield running


@pytest.fixture(scope="session")
def place_seldon(
    own_cluster: Cluster, run_on_cluster: RunOnCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """A platform that serves on the cluster as SeldonDeployments, with the stand-in for Seldon Core's operator."""
    directory = tmp_path_factory.mktemp("seldon")
    with running_seldon(own_cluster.kubeconfig, directory), run_on_cluster(directory, SELDON) as running:
        yield running
