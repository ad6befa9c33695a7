"""A client that is closed leaves no connection behind, also if a watch was cancelled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psutil
import pytest
from kubernetes_asyncio.client import ApiClient, CoreV1Api, V1ConfigMap, V1ObjectMeta

from kleverkit.tasks import cancel
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.connecting import connected
from kleverkubeclient.resources import CONFIG_MAPS
from kleverkubeclient.watched import ObjectName, Watched
from support.waiting import eventually

pytestmark = pytest.mark.api_server


def connections(port: int | None) -> set[int]:
    """The local ports of connections to a port."""
    present = psutil.Process().net_connections("tcp4")
    return {each.laddr.port for each in present if each.raddr and each.raddr.port == port}


@asynccontextmanager
async def added_object(client: ApiClient) -> AsyncIterator[ObjectName]:
    """An object that is created now."""
    core, namespace, name = CoreV1Api(client), "default", f"added-{uuid4()}"
    await core.create_namespaced_config_map(namespace, V1ConfigMap(metadata=V1ObjectMeta(name=name)))
    yield namespace, name
    await core.delete_namespaced_config_map(name, namespace)


async def test_cancelled_watches_leave_no_connections(kubeconfig: Path) -> None:
    """A watch that has had an event is established; TLS closes one that the server has not answered by and by."""
    async with connected(kubeconfig) as client:
        port = urlsplit(client.configuration.host).port
        before = connections(port)
        copies = [Watched(KubernetesApi(client), CONFIG_MAPS, "", lambda _each: None) for _ in range(3)]
        watches = [asyncio.create_task(each.run()) for each in copies]

        async def are_listed() -> bool:
            return all(each.objects for each in copies)

        await eventually(are_listed)
        async with added_object(client) as added:

            async def have_had_an_event() -> bool:
                return all(added in each.objects for each in copies)

            await eventually(have_had_an_event)
        assert len(connections(port) - before) >= len(watches)
        await cancel(watches)
    assert connections(port) <= before
