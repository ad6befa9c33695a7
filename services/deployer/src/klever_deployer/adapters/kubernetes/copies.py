"""Copies of servings in the cluster, from which they are restored if everything else is lost."""

from pydantic import ValidationError
from structlog import get_logger

from klever_deployer.adapters.copies import CopyFile
from klever_deployer.ports import ServingCopy
from kleverkit.errors import TransientError
from kleverkube.labels import MANAGED_BY, MANAGER, PLATFORM, owned_by
from kleverkube.manifest import Manifest
from kleverkube.naming import version_name
from kleverkube.options import ClusterOptions
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.failures import ApiUnavailableError, RefusedByClusterError
from kleverkubeclient.resources import CONFIG_MAPS
from kleverroutes.versions import ServingName

log = get_logger(__name__)

CONTENT = "copy.json"
SERVING = "serving"
"""Key of the data that names the serving."""


class ClusterCopies:
    """See `ports.CopyStore`: a ConfigMap for each serving, all in one namespace.

    Args:
        api: the cluster.
        namespace: namespace of the ConfigMaps; it must exist.
        options: options of the cluster.
    """

    def __init__(self, api: KubernetesApi, namespace: str, options: ClusterOptions) -> None:
        self._api = api
        self._namespace = namespace
        self._options = options

    async def read(self) -> dict[ServingName, ServingCopy]:
        """See `CopyStore`. Raises TransientError: the copies are not known, so nothing may be treated as lost."""
        try:
            listing = await self._api.list(CONFIG_MAPS, owned_by(self._options), self._namespace)
        except RefusedByClusterError as error:
            raise ApiUnavailableError(str(error)) from error
        return dict(filter(None, map(_copy, listing.items)))

    async def write(self, serving: ServingName, copy: ServingCopy) -> None:
        """See `CopyStore`."""
        data = {SERVING: str(serving), CONTENT: CopyFile.of(copy).model_dump_json()}
        manifest: Manifest = {
            "apiVersion": "v1",
            "kind": CONFIG_MAPS.kind,
            "metadata": {
                "name": _name(serving),
                "namespace": self._namespace,
                "labels": {MANAGED_BY: MANAGER, PLATFORM: self._options.platform},
            },
            "data": data,
        }
        try:
            await self._api.apply(manifest)
        except (TransientError, RefusedByClusterError) as error:
            raise OSError(str(error)) from error

    async def remove(self, serving: ServingName) -> None:
        """See `CopyStore`."""
        try:
            await self._api.delete(CONFIG_MAPS, self._namespace, _name(serving))
        except (TransientError, RefusedByClusterError) as error:
            raise OSError(str(error)) from error


def _copy(config_map: Manifest) -> tuple[ServingName, ServingCopy] | None:
    """The serving and its copy; None if a ConfigMap holds none that can be read."""
    data = config_map.get("data", {})
    try:
        copy = CopyFile.model_validate_json(data.get(CONTENT, "")).content
    except ValidationError as error:
        name = config_map["metadata"]["name"]
        log.error("a copy of a serving cannot be read", config_map=name, error=str(error))  # noqa: TRY400
        return None
    return (ServingName(*data[SERVING].split("/")), copy) if copy is not None else None


def _name(serving: ServingName) -> str:
    return version_name(serving.namespace, serving.name, "copy")
