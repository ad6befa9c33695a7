"""The remembered state of buckets and streams, in the cluster beside the copies of servings.

In the home of a deployer it would be lost with the pod, and two deployers would remember different states.
"""

from klever_deployer.errors import ServingError
from kleverkit.errors import TransientError
from kleverkube.labels import MANAGED_BY, MANAGER
from kleverkube.options import ClusterOptions
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.failures import ApiUnavailableError
from kleverkubeclient.resources import CONFIG_MAPS

CONTENT = "state.json"


class ClusterMemory:
    """See `kleverkit.incarnations.Memory`: a ConfigMap. It lacks the label of a platform, by which copies are listed.

    Args:
        api: the cluster.
        namespace: namespace of the ConfigMap; it must exist.
        options: options of the cluster.
        name: name of the remembered state.
    """

    def __init__(self, api: KubernetesApi, namespace: str, options: ClusterOptions, name: str) -> None:
        self._api = api
        self._namespace = namespace
        self._name = f"{options.platform}-remembered-{name}"

    async def read(self) -> bytes | None:
        """See `Memory`. Raises TransientError: a state that is not known is not absent."""
        try:
            stored = await self._api.read(CONFIG_MAPS, self._namespace, self._name)
        except ServingError as error:
            raise ApiUnavailableError(str(error)) from error
        content = (stored or {}).get("data", {}).get(CONTENT)
        return content.encode() if content is not None else None

    async def write(self, content: bytes) -> None:
        """See `Memory`."""
        metadata = {"name": self._name, "namespace": self._namespace, "labels": {MANAGED_BY: MANAGER}}
        manifest = {
            "apiVersion": "v1",
            "kind": CONFIG_MAPS.kind,
            "metadata": metadata,
            "data": {CONTENT: content.decode()},
        }
        try:
            await self._api.apply(manifest)
        except (TransientError, ServingError) as error:
            raise OSError(str(error)) from error
