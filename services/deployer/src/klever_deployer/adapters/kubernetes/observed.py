"""The Deployments and pods of versions, as the cluster has them."""

from collections import defaultdict
from collections.abc import Callable

from klever_deployer.domain.versions import ServingName, VersionKey
from kleverkit.notices import Notices
from kleverkube.manifest import Manifest
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.resources import DEPLOYMENTS, PODS
from kleverkubeclient.watched import Watched

from .states import version_key


class ObservedVersions:
    """Watches Deployments and pods, and announces the servings that they belong to.

    Args:
        api: the cluster.
        selector: the labels of the Deployments and pods.
        on_change: called with each version whose Deployment or pods have changed.
    """

    def __init__(self, api: KubernetesApi, selector: str, on_change: Callable[[VersionKey], None]) -> None:
        self._report = on_change
        self._changed: Notices[ServingName] = Notices()
        self.deployments = Watched(api, DEPLOYMENTS, selector, self.take)
        self.pods = Watched(api, PODS, selector, self.take)

    async def load(self) -> None:
        """Read what the cluster has. Raises TransientError, ServingError."""
        await self.deployments.load()
        await self.pods.load()

    async def changed(self) -> set[ServingName]:
        """Wait until something changes, and return the servings concerned."""
        return await self._changed.take()

    def announce(self, serving: ServingName) -> None:
        """Let `changed` return a serving."""
        self._changed.add(serving)

    def deployments_by_version(self) -> dict[VersionKey, Manifest]:
        """The Deployment of each version that has one."""
        keyed = ((version_key(each), each) for each in self.deployments.objects.values())
        return {key: each for key, each in keyed if key is not None}

    def pods_by_version(self) -> defaultdict[VersionKey | None, list[Manifest]]:
        """The pods of each version."""
        pods: defaultdict[VersionKey | None, list[Manifest]] = defaultdict(list)
        for pod in self.pods.objects.values():
            pods[version_key(pod)].append(pod)
        return pods

    def take(self, changed: Manifest) -> None:
        """Announce the version that an object belongs to."""
        if (key := version_key(changed)) is not None:
            self.announce(key.serving)
            self._report(key)
