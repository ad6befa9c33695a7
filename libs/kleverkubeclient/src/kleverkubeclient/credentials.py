"""Credentials for a cluster, which expire: tokens of pods and of plug-ins are replaced before or when they do."""

import os
from pathlib import Path

from kubernetes_asyncio.client import ApiClient, Configuration
from kubernetes_asyncio.config import ConfigException, load_incluster_config, load_kube_config
from structlog import get_logger

from .failures import ApiUnavailableError

log = get_logger(__name__)

IN_CLUSTER = "KUBERNETES_SERVICE_HOST"
"""Environment variable that every pod has."""


class RenewableClient(ApiClient):
    """A client whose credentials can be read again.

    kubernetes_asyncio reads a pod's token again every minute, but that of a kubeconfig only once, also if a file or a
    plug-in provides a new one. A renewed client certificate requires a new client.

    Args:
        configuration: configuration of the client.
        kubeconfig: see `load`.
    """

    def __init__(self, configuration: Configuration, kubeconfig: Path | None) -> None:
        super().__init__(configuration)
        self._kubeconfig = kubeconfig

    async def renew(self) -> None:
        """Read the credentials again; the present ones are kept if that is not possible now."""
        try:
            await load(self.configuration, self._kubeconfig)
        except ApiUnavailableError as error:
            log.warning("credentials for the cluster not renewed", error=str(error))


async def load(configuration: Configuration, kubeconfig: Path | None) -> None:
    """Read credentials into a configuration.

    Args:
        configuration: configuration of a client.
        kubeconfig: a file; if None, the ServiceAccount of this pod, or else `$KUBECONFIG` or `~/.kube/config`.

    Raises:
        ApiUnavailableError: there are no credentials.
    """
    try:
        if kubeconfig is None and IN_CLUSTER in os.environ:
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            file = str(kubeconfig) if kubeconfig else None
            await load_kube_config(config_file=file, client_configuration=configuration)
    except (ConfigException, OSError) as error:
        raise ApiUnavailableError(f"there are no credentials for a cluster: {error}. Set KUBECONFIG") from error


async def authorize(client: ApiClient, headers: dict[str, str]) -> None:
    """Add the present token. Raises ApiUnavailableError if its file cannot be read now."""
    try:
        await client.update_params_for_auth(headers, [], ["BearerToken"])
    except ConfigException as error:
        raise ApiUnavailableError(f"the credentials for the cluster cannot be read: {error}") from error
