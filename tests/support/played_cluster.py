"""A cluster without nodes: pods are played, and real servers respond in their place behind a real Envoy of istiod."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes_asyncio.client import ApiClient

from klever_deployer.adapters.kubernetes.refusals import RefusedServingError
from klever_deployer.adapters.kubernetes.routes.services import VersionService
from kleverkube.labels import recorded
from kleverkube.manifest import Manifest
from kleverkube.services import HTTP_SERVICE_PORT
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.connecting import connected
from kleverkubeclient.resources import DEPLOYMENTS
from kleverkubeclient.watched import Watched
from support.data_plane_benches import HttpClient
from support.data_planes import Upstream
from support.istio_gateway import LOOPBACK, IstioGateway, istiod_program, running_gateway
from support.played_kubelet import PlayedKubelet
from support.prometheus import Prometheus, running_prometheus
from support.route_kinds import ISTIO, install
from support.route_stream import OWNED, follow_routes

ANSWER = "ANSWER"
"""Variable of a variant: the name of the server that responds for its pods."""


@dataclass
class PlayedCluster:
    """The cluster, and its client.

    Attributes:
        kubeconfig: kubeconfig file of the API server.
        gateway: by which requests enter.
        prometheus: scrapes the gateway.
        servers: respond for the pods of the variants that name them.
    """

    kubeconfig: Path
    gateway: IstioGateway
    prometheus: Prometheus
    servers: Mapping[str, Upstream]

    @property
    def client(self) -> HttpClient:
        """Sends requests through the gateway."""
        return self.gateway.client

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of a deployer that serves here."""
        return {
            "backend": "plain",
            "kubeconfig": self.kubeconfig,
            "cluster_namespace": "default",
            "cluster_gateway": "istio-system/klever-gateway",
            "ingress_public_url": f"http://{LOOPBACK}:{self.gateway.port}",
            "prometheus_url": self.prometheus.url,
            "prometheus_metrics": "envoy",
            "prometheus_window_seconds": 5,
        }

    async def follow(self, api: KubernetesApi) -> None:
        """Give istiod the Services of the cluster, until cancelled."""
        changed = asyncio.Event()
        deployments = Watched(api, DEPLOYMENTS, OWNED, lambda _object: changed.set())
        await deployments.load()
        placed = None
        async with asyncio.TaskGroup() as group:
            group.create_task(deployments.run())
            while True:
                replicas = self._replicas(deployments.objects.values())
                if replicas != placed:
                    await self.gateway.place_known(replicas)
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
                replicas[service] = (self.servers[answer].endpoint.port,)
        return replicas


@asynccontextmanager
async def played_cluster(kubeconfig: Path, directory: Path, *servers: Upstream) -> AsyncIterator[PlayedCluster]:
    """Runs the gateway and Prometheus for an API server, and plays its nodes."""
    async with connected(kubeconfig) as client, running_gateway(istiod_program(), directory) as gateway:
        await install(client, *ISTIO)
        targets = {f"{LOOPBACK}:{gateway.admin_port}": "/stats/prometheus"}
        with running_prometheus(directory / "prometheus", targets) as prometheus:
            cluster = PlayedCluster(kubeconfig, gateway, prometheus, {each.name: each for each in servers})
            async with _played(client, cluster):
                yield cluster


@asynccontextmanager
async def _played(client: ApiClient, cluster: PlayedCluster) -> AsyncIterator[None]:
    api = KubernetesApi(client, refused=RefusedServingError)
    loops = (PlayedKubelet(client, "broken").run(), cluster.follow(api), follow_routes(api, cluster.gateway))
    tasks = [asyncio.create_task(loop) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
