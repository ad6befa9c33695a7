"""A played cluster whose requests are answered: real servers stand in for pods, behind a real Envoy of istiod."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from kubernetes_asyncio.client import ApiClient

from kleverkube.labels import recorded
from kleverkube.manifest import Manifest
from kleverkube.services import HTTP_SERVICE_PORT
from kleverkubeclient.connecting import connected
from kleverkubeclient.resources import DEPLOYMENTS
from kleverkubeclient.watched import Watched
from kleverroutes.kubernetes.services import VersionService
from support.data_planes import Upstream
from support.istio_gateway import IstioGateway, istiod_program, running_gateway
from support.istio_proxy import LOOPBACK
from support.played_cluster import OWNED, PlayedCluster
from support.prometheus import Prometheus, running_prometheus
from support.route_stream import follow_routes

ANSWER = "ANSWER"
"""Variable of a variant: the name of the server that responds for its pods."""


class RoutedCluster(PlayedCluster):
    """The cluster.

    Args:
        client: the administrator's.
        kubeconfig: the administrator's.
        gateway: by which requests enter.
        prometheus: scrapes the gateway.
        servers: respond for the pods of the variants that name them.
    """

    def __init__(
        self,
        client: ApiClient,
        kubeconfig: Path,
        gateway: IstioGateway,
        prometheus: Prometheus,
        servers: Mapping[str, Upstream],
    ) -> None:
        super().__init__(client, kubeconfig)
        self.requests = gateway.client
        """Sends requests through the gateway."""
        self._gateway = gateway
        self.prometheus = prometheus
        self._servers = servers

    @property
    def settings(self) -> dict[str, Any]:
        return super().settings | {
            "cluster_gateway": "istio-system/klever-gateway",
            "ingress_public_url": f"http://{LOOPBACK}:{self._gateway.port}",
            "prometheus_url": self.prometheus.url,
            "prometheus_metrics": "envoy",
            "prometheus_window_seconds": 5,
        }

    async def follow(self) -> None:
        """Give istiod the Services of the cluster, until cancelled."""
        changed = asyncio.Event()
        deployments = Watched(self.api, DEPLOYMENTS, OWNED, lambda _object: changed.set())
        await deployments.load()
        placed = None
        async with asyncio.TaskGroup() as group:
            group.create_task(deployments.run())
            while True:
                replicas = self._replicas(deployments.objects.values())
                if replicas != placed:
                    await self._gateway.place_known(replicas)
                    placed = replicas
                await changed.wait()
                changed.clear()

    def _replicas(self, deployments: Iterable[Manifest]) -> dict[VersionService, tuple[int, ...]]:
        """The ports of the servers that respond for the pods of each Service."""
        replicas: dict[VersionService, tuple[int, ...]] = {}
        for deployment in deployments:
            version = recorded(deployment["metadata"]["annotations"])
            answer = version.variant.env.get(ANSWER) if version is not None else None
            if version is not None and isinstance(answer, str):
                service = VersionService(deployment["metadata"]["name"], version.namespace, HTTP_SERVICE_PORT)
                replicas[service] = (self._servers[answer].endpoint.port,)
        return replicas


@asynccontextmanager
async def routed_cluster(kubeconfig: Path, directory: Path, *servers: Upstream) -> AsyncIterator[RoutedCluster]:
    """Runs the gateway and Prometheus for an API server, and plays its nodes."""
    async with connected(kubeconfig) as client, running_gateway(istiod_program(), directory) as gateway:
        targets = {f"{LOOPBACK}:{gateway.admin_port}": "/stats/prometheus"}
        with running_prometheus(directory / "prometheus", targets) as prometheus:
            cluster = RoutedCluster(client, kubeconfig, gateway, prometheus, {each.name: each for each in servers})
            async with cluster.running(cluster.follow, partial(follow_routes, cluster.api, gateway)):
                yield cluster
