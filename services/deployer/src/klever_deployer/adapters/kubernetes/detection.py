"""Detection of the backend that a cluster supports."""

from typing import Literal

import structlog

from kleverkube.labels import owned_by
from kleverkube.options import ClusterOptions
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.failures import MissingKindError
from kleverkubeclient.resources import DEPLOYMENTS, SELDON_DEPLOYMENTS

log = structlog.get_logger(__name__)

DetectedBackend = Literal["plain", "seldon"]


async def detected_backend(api: KubernetesApi, options: ClusterOptions) -> DetectedBackend:
    """Choose Seldon Core if it is installed, and else Deployments.

    A platform that serves by Deployments stays with them when Seldon Core is installed later: the other backend would
    not know of them.

    Args:
        api: the cluster.
        options: options of the cluster.

    Raises:
        ApiUnavailableError: the server does not respond.
        DeniedError: the deployer's account may not list these objects.
    """
    backend = await _detected_backend(api, owned_by(options))
    log.info("backend of the cluster detected", backend=backend)
    return backend


async def _detected_backend(api: KubernetesApi, selector: str) -> DetectedBackend:
    if (await api.list(DEPLOYMENTS, selector)).items:
        return "plain"
    try:
        await api.list(SELDON_DEPLOYMENTS, selector)
    except MissingKindError:
        return "plain"
    return "seldon"
