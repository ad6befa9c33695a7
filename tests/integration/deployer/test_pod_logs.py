"""Logs of pods that cannot be read, such as those of a node that does not respond."""

import asyncio
from pathlib import Path

from aiohttp import web

from klever_deployer.adapters.kubernetes.pod_logs import RETRY_SECONDS, PodLogs
from kleverkubeclient.api import KubernetesApi
from support.data_planes import version_key
from support.scripted_api import scripted_api
from support.scripted_logs import ScriptedLogs
from support.waiting import eventually


async def test_a_log_that_cannot_be_read_is_read_again_after_longer_and_longer_pauses(tmp_path: Path) -> None:
    loop, times, pods = asyncio.get_running_loop(), list[float](), ScriptedLogs()
    pods.write(version_key("v1"), 0, "a line")

    async def refuse(_request: web.Request) -> web.Response:
        times.append(loop.time())
        return web.json_response({"message": "dial tcp: connection refused"}, status=500)

    async def are_three() -> bool:
        return len(times) >= 3

    async with scripted_api(refuse) as client:
        logs = PodLogs(KubernetesApi(client), pods.pods.values, tmp_path / "positions.json")
        logs.look()
        await eventually(are_three, within=20)
        await logs.close()
    assert times[2] - times[1] >= 2 * RETRY_SECONDS
