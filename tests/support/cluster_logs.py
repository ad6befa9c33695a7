"""Pods of a real API server, which requests their logs from a played kubelet."""

import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes_asyncio.client import ApiClient, CoreV1Api

from kleverkube.containers import SERVER
from kleverkube.labels import REVISION, SERVING, VARIANT, owned_by
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.connecting import connected
from kleverkubeclient.resources import PODS
from kleverkubeclient.watched import Watched
from kleverroutes.versions import VersionKey
from support.log_benches import InPods, LogsBench
from support.loops import running_loops
from support.played_kubelet import running
from support.scripted_logs import ScriptedLogs, pod_name
from support.waiting import eventually

LOOPBACK = "127.0.0.1"
NODE = "node-of-logs"
OWNED = owned_by(ClusterOptions())
Body = Any
"""The client takes dictionaries as well as its own classes, but does not declare that."""
MERGE: Body = {"_content_type": "application/merge-patch+json"}


class InServedPods(InPods):
    """Pods of a node whose kubelet is played."""

    def __init__(self, kubelet: ScriptedLogs, client: ApiClient, file: Path) -> None:
        api = KubernetesApi(client)
        self._core = CoreV1Api(client)
        self.watched = Watched(api, PODS, OWNED, lambda _pod: None)
        super().__init__(kubelet, api, self._present, file)

    def _present(self) -> Iterable[Manifest]:
        return self.watched.objects.values()

    async def write(self, version: VersionKey, replica: int, line: str) -> None:
        namespace, name = version.serving.namespace, pod_name(version, replica)
        if (namespace, name) not in self.watched.objects:
            await self._core.create_namespaced_pod(namespace, _pod(version, replica))
            await self._core.patch_namespaced_pod_status(name, namespace, {"status": running()}, **MERGE)
        await eventually(lambda: self._has_started(namespace, name), within=20)
        await super().write(version, replica, line)

    async def _has_started(self, namespace: str, name: str) -> bool:
        pod = self.watched.objects.get((namespace, name), {})
        return bool(pod.get("status", {}).get("containerStatuses"))


@asynccontextmanager
async def in_served_pods(directory: Path, kubeconfig: Path) -> AsyncIterator[LogsBench]:
    """Pods on the API server of a kubeconfig."""
    kubelet = ScriptedLogs()
    async with connected(kubeconfig) as client, _kubelet(kubelet) as port, _node(client, port):
        bench = InServedPods(kubelet, client, directory / "positions.json")
        await bench.watched.load()
        async with running_loops(bench.watched.run):
            yield bench
            await bench.logs.close()


@asynccontextmanager
async def _kubelet(logs: ScriptedLogs) -> AsyncIterator[int]:
    """Runs the server from which the API server reads logs, which does not verify its certificate."""
    app, context = web.Application(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    app.router.add_get("/containerLogs/{namespace}/{name}/{container}", logs.handle)
    trustme.CA().issue_cert(LOOPBACK).configure_cert(context)
    server = TestServer(app, scheme="https", host=LOOPBACK)
    await server.start_server(ssl=context)
    try:
        assert server.port is not None
        yield server.port
    finally:
        await server.close()


@asynccontextmanager
async def _node(client: ApiClient, port: int) -> AsyncIterator[None]:
    """Registers the node of the kubelet."""
    core = CoreV1Api(client)
    status = {
        "addresses": [{"type": "InternalIP", "address": LOOPBACK}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    node: Body = {"metadata": {"name": NODE}}
    await core.create_node(node)
    try:
        await core.patch_node_status(NODE, {"status": status}, **MERGE)
        yield
    finally:
        await core.delete_node(NODE)


def _pod(version: VersionKey, replica: int) -> Body:
    owned = dict(label.split("=") for label in OWNED.split(","))
    labels = owned | {SERVING: version.serving.name, VARIANT: version.variant, REVISION: version.revision}
    return {
        "metadata": {"name": pod_name(version, replica), "labels": labels},
        "spec": {"nodeName": NODE, "containers": [{"name": SERVER, "image": "server"}]},
    }
