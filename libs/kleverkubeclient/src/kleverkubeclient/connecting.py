"""Connections to a cluster, with the credentials of a pod or of a kubeconfig."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from kubernetes_asyncio.client import ApiClient, Configuration
from kubernetes_asyncio.config import ConfigException, load_incluster_config, load_kube_config

from .failures import ApiUnavailableError

IN_CLUSTER = "KUBERNETES_SERVICE_HOST"
"""Environment variable that every pod has."""


@asynccontextmanager
async def connected(kubeconfig: Path | None = None) -> AsyncIterator[ApiClient]:
    """Yield a client.

    Args:
        kubeconfig: a file; if None, the ServiceAccount of this pod, or else `$KUBECONFIG` or `~/.kube/config`.

    Raises:
        ApiUnavailableError: there are no credentials.
    """
    configuration = Configuration()
    try:
        if kubeconfig is None and IN_CLUSTER in os.environ:
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            await load_kube_config(
                config_file=str(kubeconfig) if kubeconfig else None, client_configuration=configuration
            )
    except (ConfigException, OSError) as error:
        raise ApiUnavailableError(f"there are no credentials for a cluster: {error}. Set KUBECONFIG") from error
    async with ApiClient(configuration) as client:
        yield client
