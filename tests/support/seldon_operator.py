"""Stands in for Seldon Core's operator: reconciles SeldonDeployments of a real API server as the real one does.

It reports a status without an observed generation, treats a Deployment with unavailable replicas as `Creating`, deletes
Deployments and Services of removed predictors only when all others are ready, and fails if such a Service is missing.
"""

import asyncio
from typing import Any

from kubernetes_asyncio.client import ApiClient, ApiException, AppsV1Api, AutoscalingV2Api, CoreV1Api, CustomObjectsApi

from kleverkube.manifest import Manifest
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.resources import (
    AUTOSCALERS,
    DEPLOYMENTS,
    SELDON_DEPLOYMENTS,
    SERVICES,
    Resource,
)
from kleverkubeclient.watched import Watched
from support.played_pods import SUPERSEDED, unless_superseded
from support.seldon_components import ID, Components, components, denials

GROUP, VERSION, PLURAL = "machinelearning.seldon.io", "v1", "seldondeployments"


class SeldonOperator:
    """Reconciles all SeldonDeployments of a cluster.

    Args:
        client: client of the cluster.
    """

    def __init__(self, client: ApiClient) -> None:
        self._api = KubernetesApi(client)
        self._custom = CustomObjectsApi(client)
        self._core, self._apps, self._scaling = CoreV1Api(client), AppsV1Api(client), AutoscalingV2Api(client)
        self._changed, self._works = asyncio.Event(), asyncio.Event()
        self._works.set()
        self.idle = asyncio.Lock()
        """Held while it sends requests: one that is cancelled leaves its connection open for a while."""
        self._owners = Watched(self._api, SELDON_DEPLOYMENTS, "", lambda _each: self._changed.set())
        self._deployments = Watched(self._api, DEPLOYMENTS, ID, lambda _each: self._changed.set())
        self.denied: list[str] = []
        """Objects that the webhook of the real operator would have refused."""

    def pause(self) -> None:
        """Reconcile nothing."""
        self._works.clear()

    def resume(self) -> None:
        """Reconcile again."""
        self._works.set()

    async def run(self) -> None:
        """Reconcile until cancelled."""
        async with self.idle:
            for watched in (self._owners, self._deployments):
                await watched.load()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._owners.run())
            group.create_task(self._deployments.run())
            while await self._changed.wait():
                await self._works.wait()
                self._changed.clear()
                async with self.idle:
                    for owner in list(self._owners.objects.values()):
                        await self._reconcile(owner)

    async def _reconcile(self, owner: Manifest) -> None:
        if "deletionTimestamp" in owner["metadata"]:
            return
        self.denied += denials(owner)
        made, status = components(owner), dict(owner.get("status", {}))
        try:
            is_ready = await self._make(owner, made)
            if is_ready:
                await self._delete_others(owner, made)
            await self._report(owner, {**status, **self._status(made, is_ready=is_ready)})
        except ApiException as error:
            if error.status not in SUPERSEDED:
                await self._report(owner, {**status, "state": "Failed", "description": str(error.body)})

    async def _make(self, owner: Manifest, made: Components) -> bool:
        """Create and update everything; whether all Deployments are ready."""
        for service in made.services:
            await self._put(SERVICES, service)
        for autoscaler in made.autoscalers:
            await self._put(AUTOSCALERS, autoscaler)
        scaled = {each["metadata"]["name"] for each in made.autoscalers}
        ready = []
        for deployment in made.deployments:
            name = deployment["metadata"]["name"]
            if name not in scaled:
                await self._api.delete(AUTOSCALERS, owner["metadata"]["namespace"], name)
            ready.append(_is_ready(await self._put(DEPLOYMENTS, deployment)))
        return all(ready)

    async def _put(self, resource: Resource, wanted: Manifest) -> Manifest:
        """Create an object, or update its spec."""
        namespace, name = wanted["metadata"]["namespace"], wanted["metadata"]["name"]
        present = await self._api.read(resource, namespace, name)
        if present is None:
            await self._create(resource)(namespace, wanted)
            return {}
        spec = dict(wanted["spec"])
        if resource == SERVICES:
            spec["clusterIP"] = present["spec"]["clusterIP"]
        if resource == DEPLOYMENTS and "replicas" not in spec:
            spec["replicas"] = present["spec"]["replicas"]
        await self._replace(resource)(name, namespace, {**present, "spec": spec})
        return present

    def _create(self, resource: Resource) -> Any:
        return {
            SERVICES: self._core.create_namespaced_service,
            AUTOSCALERS: self._scaling.create_namespaced_horizontal_pod_autoscaler,
            DEPLOYMENTS: self._apps.create_namespaced_deployment,
        }[resource]

    def _replace(self, resource: Resource) -> Any:
        return {
            SERVICES: self._core.replace_namespaced_service,
            AUTOSCALERS: self._scaling.replace_namespaced_horizontal_pod_autoscaler,
            DEPLOYMENTS: self._apps.replace_namespaced_deployment,
        }[resource]

    async def _delete_others(self, owner: Manifest, made: Components) -> None:
        """Delete what belongs to the SeldonDeployment by its labels, and is not part of it."""
        namespace, selector = owner["metadata"]["namespace"], f"{ID}={owner['metadata']['name']}"
        for resource, wanted in ((DEPLOYMENTS, made.deployments), (SERVICES, made.services)):
            names = {each["metadata"]["name"] for each in wanted}
            for each in (await self._api.list(resource, selector, namespace)).items:
                if (name := each["metadata"]["name"]) not in names:
                    await self._api.delete(resource, namespace, name, owned_first=True)
                    await self._api.delete(AUTOSCALERS, namespace, name)

    def _status(self, made: Components, *, is_ready: bool) -> Manifest:
        names = [each["metadata"]["name"] for each in made.deployments]
        statuses = {name: each.get("status", {}) for (_, name), each in self._deployments.objects.items()}
        counts = {
            name: {field: statuses[name].get(field, 0) for field in ("replicas", "availableReplicas")}
            for name in names
            if name in statuses
        }
        return {"state": "Available" if is_ready else "Creating", "description": "", "deploymentStatus": counts}

    async def _report(self, owner: Manifest, status: Manifest) -> None:
        if status == owner.get("status"):
            return
        metadata = owner["metadata"]
        with unless_superseded():
            await self._custom.replace_namespaced_custom_object_status(
                GROUP, VERSION, metadata["namespace"], PLURAL, metadata["name"], {**owner, "status": status}
            )


def _is_ready(deployment: Manifest) -> bool:
    status = deployment.get("status", {})
    return bool(status.get("readyReplicas")) and not status.get("unavailableReplicas")
