"""Starts platforms that serve on this machine or on a cluster."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from kleverkit.directories import toolchains_directory
from modelfiles.runtimes import REPOSITORY
from support.cluster.cluster import Cluster
from support.cluster.gateway import GATEWAY_NAME, Gateway
from support.commands import Shell
from support.kserve import MODE
from support.processes import free_port
from support.prometheus import running_prometheus
from support.whole_platform import Platform, running_platform

from .laptop import Laptop
from .on_cluster import OPERATED, OnCluster
from .place import Place

NAMESPACE = "team"
BACKEND = "KLEVER_DEPLOYER_BACKEND"
PLAIN = {BACKEND: "plain"}
SELDON = {BACKEND: "seldon"}
KSERVE = {BACKEND: "kserve", "KLEVER_DEPLOYER_CLUSTER_KSERVE_MODE": MODE}


@contextmanager
def running_on_laptop(directory: Path) -> Iterator[Place]:
    """Runs a platform that serves on this machine."""
    with _running(directory, {}) as (shell, platform):
        yield Place(shell, platform, NAMESPACE, Laptop(shell, platform.home, NAMESPACE))


@contextmanager
def running_on_cluster(
    cluster: Cluster,
    gateway: Gateway,
    images: dict[str, str],
    directory: Path,
    backend: Mapping[str, str] = PLAIN,
) -> Iterator[Place]:
    """Runs a platform on this machine that serves on a cluster.

    Args:
        cluster: that these tests started.
        gateway: gateway of Istio.
        images: the deployer's setting `cluster_images`.
        directory: directory of its files.
        backend: settings of the deployer, which choose the kind of objects that run versions.
    """
    port = free_port()
    admin = urlsplit(gateway.admin_url).netloc
    with (
        cluster.namespace() as namespace,
        cluster.expose(port) as address,
        running_prometheus(directory / "prometheus", {admin: "/stats/prometheus"}) as prometheus,
    ):
        settings = {
            "KLEVER_PORT": f"registry={port}",
            "KLEVER_POD_REGISTRY": address,
            "KLEVER_DEPLOYER_KUBECONFIG": str(cluster.kubeconfig),
            "KLEVER_DEPLOYER_INGRESS_PUBLIC_URL": gateway.url,
            "KLEVER_DEPLOYER_CLUSTER_NAMESPACE": namespace,
            "KLEVER_DEPLOYER_CLUSTER_PLATFORM": namespace,
            "KLEVER_DEPLOYER_CLUSTER_GATEWAY": GATEWAY_NAME,
            "KLEVER_DEPLOYER_CLUSTER_IMAGES": json.dumps(images),
            "KLEVER_DEPLOYER_CLUSTER_SCALING": "requests",
            "KLEVER_DEPLOYER_PROMETHEUS_URL": prometheus.url,
            "KLEVER_DEPLOYER_PROMETHEUS_METRICS": "envoy",
            "KLEVER_DEPLOYER_PROMETHEUS_WINDOW_SECONDS": "10",
            **backend,
        }
        with _running(directory, settings) as (shell, platform):
            login = ("--from-literal=username=klever", f"--from-literal=password={platform.registry_password}")
            cluster.kubectl("create", "secret", "generic", "klever-registry", "-n", namespace, *login)
            operated = OPERATED.get(backend[BACKEND])
            substrate = OnCluster(cluster, namespace, images[f"{REPOSITORY}/kleverserve"], operated)
            yield Place(shell, platform, namespace, substrate)
            if operated is not None:  # while the operator runs, or its finalizers would keep the namespace
                cluster.kubectl("delete", operated, "--all", "-n", namespace, "--timeout=60s")


@contextmanager
def _running(directory: Path, settings: dict[str, str]) -> Iterator[tuple[Shell, Platform]]:
    """Runs a platform in an event loop of its own, so that fixtures of a whole session can use it."""
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
