"""Plays the nodes of servings: pods start, fail, restart and exit."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from kubernetes_asyncio.client import ApiClient

from kleverkube.containers import SERVER
from kleverkube.labels import PLATFORM
from kleverkube.manifest import Manifest
from support.played_pods import PlayedPods


class PlayedKubelet(PlayedPods):
    """Starts every pod of Klever.

    Args:
        client: client of the cluster.
        broken: the tag of a model that no server loads.
    """

    def __init__(self, client: ApiClient, broken: str) -> None:
        super().__init__(client, PLATFORM)
        self._broken = broken

    async def restart(self, name: str, namespace: str) -> None:
        """Let the server of a pod exit; it starts again."""
        pod = self._pods.objects[namespace, name]
        container = pod["spec"]["containers"][0]["name"]
        await self.report(pod, **running(container, restarts=1, ready=False))
        await self.report(pod, **running(container, restarts=1))

    async def _advance(self, pod: Manifest, _group: asyncio.TaskGroup) -> None:
        if not pod.get("status", {}).get("containerStatuses"):
            container = pod["spec"]["containers"][0]
            is_broken = self._broken in container.get("args", [])
            await self.report(pod, **crash_looping(container["name"]) if is_broken else running(container["name"]))


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
