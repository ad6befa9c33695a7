"""A cluster without nodes: a real API server whose pods are played, and deployers whose servings run there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kubernetes_asyncio.client import ApiClient, ApiException, CoreV1Api, V1Namespace, V1ObjectMeta

from kleverkube.labels import owned_by
from kleverkube.options import ClusterOptions
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.connecting import connected
from kleverkubeclient.resources import DEPLOYMENTS, DESTINATION_RULES, PODS, SERVICES, VIRTUAL_SERVICES, Resource
from support.custom_definitions import ISTIO, install
from support.deployer_service import Surroundings, surroundings
from support.loops import Loop, running_loops
from support.played_kubelet import PlayedKubelet

CONFLICT = 409
NAMESPACE = "klever"
"""Namespace of the copies of servings."""
SERVING_KINDS = (DEPLOYMENTS, PODS, SERVICES, DESTINATION_RULES, VIRTUAL_SERVICES)
OWNED = owned_by(ClusterOptions())


class PlayedCluster:
    """The cluster.

    Args:
        client: the administrator's.
        kubeconfig: the administrator's.
    """

    def __init__(self, client: ApiClient, kubeconfig: Path) -> None:
        self.client = client
        self.kubeconfig = kubeconfig
        self.api = KubernetesApi(client)
        self.kubelet = PlayedKubelet(client, "broken")

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of a deployer whose servings run here."""
        return {"backend": "plain", "kubeconfig": self.kubeconfig}

    async def objects(self, *resources: Resource) -> dict[str, str]:
        """The path of each object of servings to its uid."""
        return {
            f"{resource.plural}/{each['metadata']['name']}": each["metadata"]["uid"]
            for resource in resources or SERVING_KINDS
            for each in (await self.api.list(resource, OWNED)).items
        }

    async def create_namespace(self, name: str) -> None:
        """Create a namespace, if it does not exist."""
        try:
            await CoreV1Api(self.client).create_namespace(V1Namespace(metadata=V1ObjectMeta(name=name)))
        except ApiException as error:
            if error.status != CONFLICT:
                raise

    @asynccontextmanager
    async def deployer(self, nats_url: str, directory: Path, **settings: Any) -> AsyncIterator[Surroundings]:
        """Run a deployer with its surroundings."""
        async with surroundings(nats_url, directory, **self.settings | settings) as world:
            yield world

    @asynccontextmanager
    async def running(self, *loops: Loop) -> AsyncIterator[None]:
        """Install Istio's kinds of objects, and play the pods beside other loops."""
        await install(self.client, *ISTIO)
        await self.create_namespace(NAMESPACE)
        async with running_loops(self.kubelet.run, *loops, idle=(self.kubelet.idle,)):
            yield


@asynccontextmanager
async def played_cluster(kubeconfig: Path) -> AsyncIterator[PlayedCluster]:
    """A cluster with Istio's kinds of objects, whose pods start."""
    async with connected(kubeconfig) as client:
        cluster = PlayedCluster(client, kubeconfig)
        async with cluster.running():
            yield cluster
