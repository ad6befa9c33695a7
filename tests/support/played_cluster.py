"""A cluster without nodes: pods are played, and real servers respond in their place behind a real Envoy of istiod."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubernetes_asyncio.client import ApiClient

from klever_deployer.adapters.kubernetes.refusals import RefusedServingError
from klever_deployer.adapters.kubernetes.routes.services import VersionService
from kleverkube.labels import MANAGED_BY, MANAGER, recorded
from kleverkube.manifest import Manifest
from kleverkube.services import HTTP_SERVICE_PORT
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.connecting import connected
from kleverkubeclient.resources import DEPLOYMENTS, DESTINATION_RULES, VIRTUAL_SERVICES
from kleverkubeclient.watched import Watched
from support.data_plane_benches import HttpClient
from support.data_planes import Upstream
from support.istio_gateway import IstioGateway, istiod_program, running_gateway
from support.istio_proxy import LOOPBACK
from support.played_kubelet import PlayedKubelet
from support.prometheus import Prometheus, running_prometheus
from support.custom_definitions import ISTIO, install
from support.waiting import eventually

SELECTOR = f"{MANAGED_BY}={MANAGER}"
ANSWER = "ANSWER"
"""Variable of a variant: the name of the server that responds for its pods."""


@dataclass
class PlayedCluster:
    """The cluster, and its client.

    Attributes:
        kubeconfig: of the API server.
        gateway: by which requests enter.
        prometheus: scrapes the gateway.
        servers: respond for the pods of the variants that name them.
    """

    kubeconfig: Path
    gateway: IstioGateway
    prometheus: Prometheus
    servers: Mapping[str, Upstream]
    _written: dict[str, Any] = field(default_factory=dict)

    @property
    def client(self) -> HttpClient:
        """Sends requests through the gateway."""
        return self.gateway.client

    @property
    def settings(self) -> dict[str, Any]:
        """Of a deployer that serves here."""
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
        """Give istiod the Services and routes of the cluster, until cancelled."""
        changed = asyncio.Event()
        resources = (DEPLOYMENTS, DESTINATION_RULES, VIRTUAL_SERVICES)
        watched = [Watched(api, each, SELECTOR, lambda _object: changed.set()) for each in resources]
        for each in watched:
            await each.load()
        changed.set()
        async with asyncio.TaskGroup() as group:
            for each in watched:
                group.create_task(each.run())
            while await changed.wait():
                changed.clear()
                deployments, *routes = ([*each.objects.values()] for each in watched)
                await self._place(deployments)
                self._route([each for objects in routes for each in objects])

    async def _place(self, deployments: list[Manifest]) -> None:
        """Let istiod know the Services before their routes: a Service is older than the first ready pod."""
        replicas: dict[VersionService, tuple[int, ...]] = {}
        for deployment in deployments:
            version = recorded(deployment["metadata"]["annotations"])
            answer = version.variant.env.get(ANSWER) if version is not None else None
            if version is not None and isinstance(answer, str):
                service = VersionService(deployment["metadata"]["name"], version.namespace, HTTP_SERVICE_PORT)
                replicas[service] = (self.servers[answer].endpoint.port,)
        if self._is_new("services", replicas):
            self.gateway.place(replicas)
            names = {("ServiceEntry", each.namespace, each.name) for each in replicas}

            async def are_known() -> bool:
                return names <= await self.gateway.accepted()

            await eventually(are_known, within=30)

    def _route(self, stored: list[Manifest]) -> None:
        objects = [
            {**each, "metadata": {name: each["metadata"][name] for name in ("name", "namespace")}} for each in stored
        ]
        if self._is_new("routes", objects):
            self.gateway.write("routes", objects)

    def _is_new(self, name: str, content: Any) -> bool:
        before, self._written[name] = self._written.get(name), content
        return bool(before != content)


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
    tasks = [asyncio.create_task(loop) for loop in (PlayedKubelet(client, "broken").run(), cluster.follow(api))]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
