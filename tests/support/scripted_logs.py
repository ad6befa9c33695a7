"""Logs of pods as a kubelet serves them: by seconds, with times of nanoseconds, and followed."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from kubernetes_asyncio.client import ApiClient

from kleverkube.labels import REVISION, SERVING, VARIANT
from kleverroutes.versions import VersionKey
from support.scripted_api import scripted_api

SECOND = "2026-01-01T00:00:00"
LINES_OF_A_TIME = 2
"""Lines with the same time, which a busy server writes."""


class ScriptedLogs:
    """Pods, one for each replica, whose lines are all written within one second."""

    def __init__(self) -> None:
        self.pods: dict[str, dict[str, Any]] = {}
        self.last: tuple[VersionKey, str]
        """The last line that was written."""
        self._lines: defaultdict[str, list[str]] = defaultdict(list)
        self._written = asyncio.Event()

    def write(self, version: VersionKey, replica: int, line: str) -> None:
        name = pod_name(version, replica)
        self.pods.setdefault(name, _pod(name, version))
        nanoseconds = len(self._lines[name]) // LINES_OF_A_TIME
        self._lines[name].append(f"{SECOND}.{nanoseconds:09}Z {line}\n")
        written, self._written = self._written, asyncio.Event()
        written.set()
        self.last = (version, line)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Respond with all lines, because `sinceTime` counts in seconds; then those that are written."""
        assert request.query["follow"] == request.query["timestamps"] == "true"
        assert request.query.get("sinceTime", SECOND).startswith(SECOND)
        response, sent = web.StreamResponse(), 0
        await response.prepare(request)
        while request.transport is not None:
            written = self._written
            for line in self._lines[request.match_info["name"]][sent:]:
                await response.write(line.encode())
                sent += 1
            await written.wait()
        return response


def pod_name(version: VersionKey, replica: int) -> str:
    """The name of the pod of a replica."""
    return f"{version.variant}-{replica}"


def _pod(name: str, version: VersionKey) -> dict[str, Any]:
    labels = {SERVING: version.serving.name, VARIANT: version.variant, REVISION: version.revision}
    metadata = {"name": name, "namespace": version.serving.namespace, "uid": f"uid-of-{name}", "labels": labels}
    return {"metadata": metadata, "status": {"containerStatuses": [{"name": "server", "state": {"running": {}}}]}}


@asynccontextmanager
async def scripted_logs() -> AsyncIterator[tuple[ScriptedLogs, ApiClient]]:
    """Runs an API server that has nothing but these logs."""
    logs = ScriptedLogs()
    async with scripted_api(logs.handle, "/api/v1/namespaces/{namespace}/pods/{name}/log") as client:
        yield logs, client
