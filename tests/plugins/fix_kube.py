"""A Kubernetes API server for tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.kserve import KServe, running_kserve
from support.kube_api_server import kube_api_server
from support.kube_cleanup import delete_leftovers


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The kubeconfig of an API server with controllers and without nodes; skips if its programs are missing."""
    with kube_api_server(tmp_path_factory.mktemp("kube")) as server:
        yield server.kubeconfig


@pytest.fixture(autouse=True)
def _empty_cluster(request: pytest.FixtureRequest) -> None:
    """Let each test start without objects of others, because all of them share one API server."""
    if request.node.get_closest_marker("api_server") is not None:
        delete_leftovers(request.getfixturevalue("kubeconfig"))


@pytest.fixture(scope="session")
def kserve(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KServe]:
    """KServe's controller for this API server."""
    with running_kserve(kubeconfig, tmp_path_factory.mktemp("kserve")) as controller:
        yield controller
