"""Plays the scheduler and the kubelet of a cluster without nodes: pods start, fail, restart and exit."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from kubernetes_asyncio.client import ApiClient, ApiException, CoreV1Api

from kleverkube.containers import SERVER
from kleverkube.labels import PLATFORM
from kleverkube.manifest import Manifest
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.resources import PODS
from kleverkubeclient.watched import Watched, object_name

MERGE = "application/merge-patch+json"
SUPERSEDED = (404, 409)
"""Statuses for a pod that has changed since; the watch reports it."""


class PlayedKubelet:
    """Starts every pod of Klever.

    Args:
        client: client of the cluster.
        broken: the tag of a model that no server loads.
    """

    def __init__(self, client: ApiClient, broken: str) -> None:
        self._core = CoreV1Api(client)
        self._broken = broken
        self._changed = asyncio.Event()
        self.idle = asyncio.Lock()
        """Held while it plays: a request that is cancelled leaves its connection open for a while."""
        self._pods = Watched(KubernetesApi(client), PODS, PLATFORM, lambda _pod: self._changed.set())

    async def run(self) -> None:
        """Play until cancelled."""
        await self._pods.load()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pods.run())
            while await self._changed.wait():
                self._changed.clear()
                async with self.idle:
                    for pod in list(self._pods.objects.values()):
                        await self._play(pod)

    async def restart(self, name: str, namespace: str) -> None:
        """Let the server of a pod exit; it starts again."""
        container = self._pods.objects[namespace, name]["spec"]["containers"][0]["name"]
        await self._report(name, namespace, running(container, restarts=1, ready=False))
        await self._report(name, namespace, running(container, restarts=1))

    async def report(self, name: str, namespace: str, status: dict[str, Any]) -> None:
        """Let a pod have a status."""
        await self._report(name, namespace, status)

    async def _play(self, pod: Manifest) -> None:
        namespace, name = object_name(pod)
        try:
            if "deletionTimestamp" in pod["metadata"]:
                await self._core.delete_namespaced_pod(name, namespace, grace_period_seconds=0)
            elif not pod.get("status", {}).get("containerStatuses"):
                container = pod["spec"]["containers"][0]
                is_broken = self._broken in container.get("args", [])
                status = crash_looping(container["name"]) if is_broken else running(container["name"])
                await self._report(name, namespace, status)
        except ApiException as error:
            if error.status not in SUPERSEDED:
                raise

    async def _report(self, name: str, namespace: str, status: dict[str, Any]) -> None:
        body = {"status": status}
        await self._core.patch_namespaced_pod_status(name, namespace, body, _content_type=MERGE)  # type: ignore[call-arg]


def running(container: str = SERVER, *, restarts: int = 0, ready: bool = True) -> dict[str, Any]:
    """The status of a pod whose server runs."""
    now = datetime.now(UTC).isoformat()
    status = {**_container(container, restarts), "ready": ready, "state": {"running": {"startedAt": now}}}
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": now}
    return {"phase": "Running", "conditions": [condition], "containerStatuses": [status]}


def crash_looping(container: str = SERVER) -> dict[str, Any]:
    """The status of a pod whose server exits at each start."""
    ended = {"exitCode": 3, "reason": "Error", "message": "cannot load the model"}
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off 20s"}
    status = {**_container(container, 2), "state": {"waiting": waiting}, "lastState": {"terminated": ended}}
    return {"phase": "Running", "containerStatuses": [status]}


def _container(name: str, restarts: int) -> dict[str, Any]:
    return {"name": name, "image": "server", "imageID": "server", "ready": False, "restartCount": restarts}
