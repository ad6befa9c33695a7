"""The place of the scenarios in tests/everywhere: this machine, or with `--place cluster` a Kubernetes cluster."""

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kleverkit.directories import toolchains_directory
from modelfiles.runtimes import REPOSITORY
from support.cluster.cluster import Cluster
from support.cluster.gateway import Gateway
from support.commands import Shell
from support.places.laptop import Laptop
from support.places.on_cluster import OnCluster
from support.places.place import Place
from support.whole_platform import Platform, running_platform

NAMESPACE = "team"


@pytest.fixture(scope="session")
def place(request: pytest.FixtureRequest) -> Place:
    """A running platform, and where it serves."""
    chosen: Place = request.getfixturevalue(f"place_{request.config.getoption('--place')}")
    return chosen


@pytest.fixture(scope="session")
def place_laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A platform that serves on this machine."""
    with _running(tmp_path_factory.mktemp("laptop"), {}) as (shell, platform):
        yield Place(shell, platform, NAMESPACE, Laptop(shell, platform.home, NAMESPACE))


@pytest.fixture(scope="session")
def place_cluster(
    own_cluster: Cluster,
    istio_gateway: Gateway,
    platform_images: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Place]:
    """A platform on this machine that serves on the cluster, through istiod and its Envoy."""
    port = _free_port()
    with own_cluster.namespace() as namespace, own_cluster.expose(port) as address:
        settings = {
            "KLEVER_PORT": f"registry={port}",
            "KLEVER_POD_REGISTRY": address,
            "KLEVER_DEPLOYER_BACKEND": "plain",
            "KLEVER_DEPLOYER_KUBECONFIG": str(own_cluster.kubeconfig),
            "KLEVER_DEPLOYER_INGRESS_PUBLIC_URL": istio_gateway.url,
            "KLEVER_DEPLOYER_CLUSTER_NAMESPACE": namespace,
            "KLEVER_DEPLOYER_CLUSTER_PLATFORM": namespace,
            "KLEVER_DEPLOYER_CLUSTER_GATEWAY": "istio-system/klever-gateway",
            "KLEVER_DEPLOYER_CLUSTER_IMAGES": json.dumps(platform_images),
        }
        with _running(tmp_path_factory.mktemp("cluster"), settings) as (shell, platform):
            own_cluster.kubectl(
                *("create", "secret", "generic", "klever-registry", "-n", namespace, "--from-literal=username=klever"),
                f"--from-literal=password={platform.registry_password}",
            )
            substrate = OnCluster(own_cluster, namespace, platform_images[f"{REPOSITORY}/kleverserve"])
            yield Place(shell, platform, namespace, substrate)


@contextmanager
def _running(directory: Path, settings: dict[str, str]) -> Iterator[tuple[Shell, Platform]]:
    """Runs a platform for the whole session, in an event loop of its own."""
    home = directory / "home"
    home.mkdir()
    shell = Shell(home, directory)
    shell.environment |= {"ORMB_ROOTPATH": str(home / "ormb"), "KLEVER_TOOLCHAINS": str(toolchains_directory())}
    context = running_platform(home, KLEVER_ALLOW_COMMANDS="1", **settings)
    with asyncio.Runner() as runner:
        platform = runner.run(context.__aenter__())
        try:
            yield shell, platform
        finally:
            runner.run(context.__aexit__(None, None, None))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        return int(holder.getsockname()[1])
