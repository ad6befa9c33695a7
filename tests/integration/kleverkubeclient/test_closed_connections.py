"""A client that is closed leaves no connection behind, also if a watch was cancelled."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.connecting import connected
from kleverkubeclient.resources import CONFIG_MAPS
from kleverkubeclient.watched import Watched
from support.waiting import eventually, others

pytestmark = pytest.mark.api_server


def connections(port: int | None) -> set[int]:
    """The local ports of connections to a port."""
    present = psutil.Process().net_connections("tcp4")
    return {each.laddr.port for each in present if each.raddr and each.raddr.port == port}


async def test_cancelled_watches_leave_no_connections(kubeconfig: Path) -> None:
    async with connected(kubeconfig) as client:
        port = urlsplit(client.configuration.host).port
        before = connections(port)
        api = KubernetesApi(client)
        watched = [Watched(api, CONFIG_MAPS, "", lambda _each: None) for _ in range(3)]
        watches = [asyncio.create_task(each.run()) for each in watched]

        async def are_watching() -> bool:
            return len(connections(port) - before) == len(watches) and all(each.objects for each in watched)

        await eventually(are_watching)
        await others()
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)
    assert connections(port) <= before
