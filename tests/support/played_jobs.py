"""Plays the nodes of Jobs: containers of pods run in order, with logs and exit codes."""

import asyncio
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes_asyncio.client import (
    ApiClient,
    ApiException,
    CoreV1Api,
    V1Binding,
    V1Node,
    V1ObjectMeta,
    V1ObjectReference,
)

from kleverkube.jobs import COMPONENT, JOBS
from kleverkube.manifest import Manifest
from kleverkubeclient.watched import object_name
from support.loops import running_loops
from support.played_pods import MERGE, PlayedPods, unless_superseded

NODE = "played"


@dataclass(frozen=True)
class Ending:
    """Exit of a container."""

    code: int = 0
    lines: tuple[str, ...] = ()
    reason: str = ""
    message: str = ""

    @property
    def state(self) -> Manifest:
        now = datetime.now(UTC).isoformat()
        reason = self.reason or ("Error" if self.code else "Completed")
        ended = {"exitCode": self.code, "reason": reason, "message": self.message, "startedAt": now, "finishedAt": now}
        return {"terminated": ended}


Script = Callable[[Manifest, str], Awaitable[Ending]]
"""Runs a container of a pod to its end."""


class PlayedJobs(PlayedPods):
    """Runs the pods of Jobs.

    Args:
        client: client of the cluster.
        script: runs the containers.
    """

    def __init__(self, client: ApiClient, script: Script) -> None:
        super().__init__(client, f"{COMPONENT}={JOBS}")
        self.script = script
        self.is_schedulable = True
        """True if the node has room."""
        self.is_idle = False
        """True if new pods are left alone."""
        self.played: list[str] = []
        """The containers that have started, in order."""
        self._lines: defaultdict[tuple[str, str], list[str]] = defaultdict(list)

    async def logs(self, request: web.Request) -> web.Response:
        """Responds as a kubelet to the API server. The lines of a container that runs are those until now."""
        key = (request.match_info["pod"], request.match_info["container"])
        response = web.Response(text="".join(f"{line}\n" for line in self._lines[key]))
        response.force_close()  # the API server would keep the connection
        return response

    async def _advance(self, pod: Manifest, group: asyncio.TaskGroup) -> None:
        uid = pod["metadata"]["uid"]
        if self.is_idle or uid in self._tasks or "nodeName" in pod["spec"]:
            return  # played here, or by an earlier test
        if self.is_schedulable:
            self._tasks[uid] = group.create_task(self._run_pod(pod))
        elif not pod.get("status", {}).get("conditions"):
            await self.report(pod, conditions=[unschedulable()])

    async def _run_pod(self, pod: Manifest) -> None:
        with unless_superseded():
            await self._bind(pod)
            await self._run_containers(pod)

    async def _bind(self, pod: Manifest) -> None:
        namespace, name = object_name(pod)
        target = V1ObjectReference(api_version="v1", kind="Node", name=NODE)
        body = V1Binding(metadata=V1ObjectMeta(name=name), target=target)
        await self._core.create_namespaced_pod_binding(name, namespace, body, _preload_content=False)

    async def _run_containers(self, pod: Manifest) -> None:
        spec, name = pod["spec"], pod["metadata"]["name"]
        ended: dict[str, Manifest] = {}
        order = [each["name"] for each in (*spec.get("initContainers", ()), *spec["containers"])]
        for container in order:
            started = {"running": {"startedAt": datetime.now(UTC).isoformat()}}
            self.played.append(container)
            await self.report(pod, phase="Running", **_statuses(pod, ended | {container: started}))
            ending = await self.script(pod, container)
            self._lines[name, container] += _timed(ending.lines)
            ended[container] = ending.state
            if ending.code:
                await self.report(pod, phase="Failed", **_statuses(pod, ended))
                return
        await self.report(pod, phase="Succeeded", **_statuses(pod, ended))


def _timed(lines: tuple[str, ...]) -> list[str]:
    return [f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}000Z {line}" for line in lines]


def _statuses(pod: Manifest, states: dict[str, Manifest]) -> Manifest:
    def status(container: Manifest) -> Manifest:
        name = container["name"]
        state = states.get(name, {"waiting": {"reason": "PodInitializing"}})
        usual = {"name": name, "image": container["image"], "imageID": "", "ready": False, "restartCount": 0}
        return {**usual, "state": state}

    spec = pod["spec"]
    return {
        "initContainerStatuses": [status(each) for each in spec.get("initContainers", ())],
        "containerStatuses": [status(each) for each in spec["containers"]],
    }


def unschedulable(message: str = "0/1 nodes are available: 1 Insufficient memory.") -> Manifest:
    """A condition that the scheduler reported a minute ago."""
    long_ago = "2026-01-01T00:00:00Z"
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    return {**condition, "message": message, "lastTransitionTime": long_ago}


@asynccontextmanager
async def playing(client: ApiClient, script: Script) -> AsyncIterator[PlayedJobs]:
    """Play the pods of Jobs on a node whose kubelet serves their logs."""
    played, app = PlayedJobs(client, script), web.Application()
    app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", played.logs)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    server = TestServer(app)
    await server.start_server(ssl=context)
    try:
        await _add_node(client, server.port or 0)
        async with running_loops(played.run, idle=(played.idle,)):
            yield played
    finally:
        await server.close()


async def _add_node(client: ApiClient, port: int) -> None:
    core = CoreV1Api(client)
    with suppress(ApiException):
        await core.delete_node(NODE)
    await core.create_node(V1Node(metadata=V1ObjectMeta(name=NODE)))
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    await core.patch_node_status(NODE, {"status": status}, _content_type=MERGE)  # type: ignore[call-arg]
