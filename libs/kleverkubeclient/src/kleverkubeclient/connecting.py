"""Connections to a cluster, with the credentials of a pod or of a kubeconfig."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from kubernetes_asyncio.client import ApiClient, Configuration

from .credentials import RenewableClient, load

MAX_CONNECTIONS = 100_000
"""Each followed log and each watch takes one, so the usual 100 would block all other requests."""


@asynccontextmanager
async def connected(kubeconfig: Path | None = None) -> AsyncIterator[ApiClient]:
    """Yield a client.

    Args:
        kubeconfig: a file; if None, the ServiceAccount of this pod, or else `$KUBECONFIG` or `~/.kube/config`.

    Raises:
        ApiUnavailableError: there are no credentials.
    """
    configuration = Configuration()
    await load(configuration, kubeconfig)
    configuration.connection_pool_maxsize = MAX_CONNECTIONS
    async with RenewableClient(configuration, kubeconfig) as client:
        yield client
    await asyncio.sleep(0)  # idle connections are closed by the loop
