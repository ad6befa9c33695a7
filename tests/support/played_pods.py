"""Plays the scheduler and the kubelet for pods of an API server without nodes."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kubernetes_asyncio.client import ApiClient, ApiException, CoreV1Api

from kleverkube.manifest import Manifest
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.resources import PODS
from kleverkubeclient.watched import Watched, object_name

MERGE = "application/merge-patch+json"
SUPERSEDED = (404, 409)
"""Statuses for an object that has changed since it was read; a watch reports the change."""


@contextmanager
def unless_superseded() -> Iterator[None]:
    """Ignores that an object has changed since it was read."""
    try:
        yield
    except ApiException as error:
        if error.status not in SUPERSEDED:
            raise


class PlayedPods(ABC):
    """Starts pods, and removes those that are deleted.

    Args:
        client: of the cluster.
        selector: the labels of the pods.
    """

    def __init__(self, client: ApiClient, selector: str) -> None:
        self.idle = asyncio.Lock()
        """Held while it sends requests: one that is cancelled leaves its connection open for a while."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        """Tasks of pods by their uid."""
        self._core = CoreV1Api(client)
        self._changed = asyncio.Event()
        self._pods = Watched(KubernetesApi(client), PODS, selector, lambda _pod: self._changed.set())

    async def run(self) -> None:
        """Play until cancelled."""
        async with self.idle:
            await self._pods.load()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pods.run())
            while await self._changed.wait():
                self._changed.clear()
                async with self.idle:
                    for pod in list(self._pods.objects.values()):
                        with unless_superseded():
                            await self._play(pod, group)

    async def report(self, pod: Manifest, **status: Any) -> None:
        """Let a pod have a status."""
        namespace, name = object_name(pod)
        body = {"status": status}
        await self._core.patch_namespaced_pod_status(name, namespace, body, _content_type=MERGE)  # type: ignore[call-arg]

    async def _play(self, pod: Manifest, group: asyncio.TaskGroup) -> None:
        if "deletionTimestamp" not in pod["metadata"]:
            await self._advance(pod, group)
            return
        if task := self._tasks.get(pod["metadata"]["uid"]):
            task.cancel()
        namespace, name = object_name(pod)
        await self._core.delete_namespaced_pod(name, namespace, grace_period_seconds=0)

    @abstractmethod
    async def _advance(self, pod: Manifest, group: asyncio.TaskGroup) -> None:
        """Let a pod take its next step; what takes longer becomes a task of the group."""
