"""A played cluster whose requests are answered: real servers stand in for pods, behind a real Envoy of istiod."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kubernetes_asyncio.client import ApiClient

from klever_deployer.adapters.kubernetes.routes.services import VersionService
from kleverkube.labels import recorded
from kleverkube.manifest import Manifest
from kleverkube.services import HTTP_SERVICE_PORT
from kleverkubeclient.connecting import connected
from kleverkubeclient.resources import DEPLOYMENTS, DESTINATION_RULES, VIRTUAL_SERVICES
from kleverkubeclient.watched import Watched
from support.data_planes import Upstream
from support.istio_gateway import IstioGateway, istiod_program, running_gateway
from support.istio_proxy import LOOPBACK
from support.played_cluster import OURS, PlayedCluster
from support.prometheus import Prometheus, running_prometheus
from support.waiting import eventually

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
        self._written: dict[str, Any] = {}

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
        """Give istiod the Services and routes of the cluster, until cancelled."""
        changed = asyncio.Event()
        resources = (DEPLOYMENTS, DESTINATION_RULES, VIRTUAL_SERVICES)
        watched = [Watched(self.api, each, OURS, lambda _object: changed.set()) for each in resources]
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
                replicas[service] = (self._servers[answer].endpoint.port,)
        if self._is_new("services", replicas):
            self._gateway.place(replicas)
            names = {("ServiceEntry", each.namespace, each.name) for each in replicas}

            async def are_known() -> bool:
                return names <= await self._gateway.accepted()

            await eventually(are_known, within=30)

    def _route(self, stored: list[Manifest]) -> None:
        objects = [
            {**each, "metadata": {name: each["metadata"][name] for name in ("name", "namespace")}} for each in stored
        ]
        if self._is_new("routes", objects):
            self._gateway.write("routes", objects)

    def _is_new(self, name: str, content: Any) -> bool:
        before, self._written[name] = self._written.get(name), content
        return bool(before != content)


@asynccontextmanager
async def routed_cluster(kubeconfig: Path, directory: Path, *servers: Upstream) -> AsyncIterator[RoutedCluster]:
    """Runs the gateway and Prometheus for an API server, and plays its nodes."""
    async with connected(kubeconfig) as client, running_gateway(istiod_program(), directory) as gateway:
        targets = {f"{LOOPBACK}:{gateway.admin_port}": "/stats/prometheus"}
        with running_prometheus(directory / "prometheus", targets) as prometheus:
            cluster = RoutedCluster(client, kubeconfig, gateway, prometheus, {each.name: each for each in servers})
            async with cluster.running(cluster.follow):
                yield cluster
