"""A deployer in this process whose servings run on a real API server; nodes and proxies are played."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kubernetes_asyncio.client import ApiClient, ApiException, CoreV1Api, V1Namespace, V1ObjectMeta

from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.connecting import connected
from kleverkubeclient.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    DESTINATION_RULES,
    PODS,
    SERVICES,
    VIRTUAL_SERVICES,
    Resource,
)
from support.deployer_service import Surroundings, surroundings
from support.played_kubelet import PlayedKubelet
from support.custom_definitions import ISTIO, install

CONFLICT = 409
NAMESPACE = "klever"
"""Of the copies of servings."""
SERVING_KINDS = (DEPLOYMENTS, PODS, SERVICES, DESTINATION_RULES, VIRTUAL_SERVICES)
OURS = "app.kubernetes.io/managed-by=klever"


class PlayedCluster:
    """A cluster without nodes.

    Args:
        client: the administrator's.
        kubeconfig: the administrator's.
    """

    def __init__(self, client: ApiClient, kubeconfig: Path) -> None:
        self.client = client
        self.kubeconfig = kubeconfig
        self.api = KubernetesApi(client)
        self.kubelet = PlayedKubelet(client, "broken")

    async def objects(self, *resources: Resource) -> dict[str, str]:
        """The path of each object of servings to its uid."""
        return {
            f"{resource.plural}/{each['metadata']['name']}": each["metadata"]["uid"]
            for resource in resources or SERVING_KINDS
            for each in (await self.api.list(resource, OURS)).items
        }

    async def create_namespace(self, name: str) -> None:
        """Create a namespace, if it does not exist."""
        try:
            await CoreV1Api(self.client).create_namespace(V1Namespace(metadata=V1ObjectMeta(name=name)))
        except ApiException as error:
            if error.status != CONFLICT:
                raise

    async def clear(self) -> None:
        """Delete all objects of servings."""
        for resource in (*SERVING_KINDS, CONFIG_MAPS):
            for each in (await self.api.list(resource, OURS)).items:
                await self.api.delete(resource, each["metadata"]["namespace"], each["metadata"]["name"])

    @asynccontextmanager
    async def deployer(self, nats_url: str, directory: Path, **settings: Any) -> AsyncIterator[Surroundings]:
        """Run a deployer with its surroundings."""
        on_cluster = {"backend": "plain", "kubeconfig": self.kubeconfig}
        async with surroundings(nats_url, directory, **on_cluster | settings) as world:
            yield world


@asynccontextmanager
async def played_cluster(kubeconfig: Path) -> AsyncIterator[PlayedCluster]:
    """A cluster with Istio's kinds of objects, whose pods start; it is empty before and after."""
    async with connected(kubeconfig) as client:
        cluster = PlayedCluster(client, kubeconfig)
        await install(client, *ISTIO)
        await cluster.create_namespace(NAMESPACE)
        await cluster.clear()
        task = asyncio.create_task(cluster.kubelet.run())
        try:
            yield cluster
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await cluster.clear()
