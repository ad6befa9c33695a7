"""Clients of an API server whose connections are closed when a test ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from kubernetes_asyncio.client import ApiClient

from kleverkubeclient.connecting import connected
from support.waiting import eventually


@asynccontextmanager
async def cluster_client(kubeconfig: Path) -> AsyncIterator[ApiClient]:
    """Yield a client. A watch that is cancelled closes its connection in the background, which is awaited here."""
    async with connected(kubeconfig) as client:
        yield client
        port = urlsplit(client.configuration.host).port

    async def is_closed() -> bool:
        return not any(each.raddr and each.raddr.port == port for each in psutil.Process().net_connections("tcp4"))

    await eventually(is_closed, within=10)
