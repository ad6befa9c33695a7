"""The objects of versions, as the cluster has them."""

import asyncio
from collections.abc import Callable, Iterable

from kleverkit.notices import Notices
from kleverkube.labels import REVISION, SERVING, VARIANT
from kleverkube.manifest import Manifest
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.resources import DEPLOYMENTS, PODS, Resource
from kleverkubeclient.watched import Watched, object_name
from kleverroutes.versions import ServingName, VersionKey

from .by_version import ObjectsByVersion
from .states import version_key

CHANGE_SECONDS = 0.25
"""Shortest time between two passes; also limits a conflict with a controller that changes the same fields."""


class ObservedVersions:
    """Watches Deployments and pods, and announces the servings that they belong to.

    Args:
        api: the cluster.
        selector: the labels of the objects.
        on_change: called with each version whose objects have changed.
    """

    def __init__(self, api: KubernetesApi, selector: str, on_change: Callable[[VersionKey], None]) -> None:
        self._api = api
        self._selector = selector
        self._report = on_change
        self._changed: Notices[ServingName] = Notices()
        self._by_version: dict[Resource, ObjectsByVersion] = {}
        self.deployments = self.watch(DEPLOYMENTS)
        self.pods = self.watch(PODS)

    def watch(self, resource: Resource, selector: str | None = None) -> Watched:
        """Observe objects of a kind, too; the copy has to be loaded and run.

        Args:
            resource: the kind.
            selector: their labels; by default those of the Deployments and pods.
        """
        by_version = self._by_version[resource] = ObjectsByVersion()

        def on_change(changed: Manifest) -> None:
            name = object_name(changed)
            by_version.update(name, watched.objects.get(name))
            if (key := version_key(changed)) is not None:
                self.announce(key.serving)
                self._report(key)

        watched = Watched(self._api, resource, selector or self._selector, on_change)
        return watched

    async def changed(self) -> set[ServingName]:
        """Wait until something changes, and return the servings concerned.

        Several changes within a short time are one: a start of a version has a dozen.
        """
        changed = await self._changed.take()
        await asyncio.sleep(CHANGE_SECONDS)
        return changed

    def announce(self, serving: ServingName) -> None:
        """Let `changed` return a serving."""
        self._changed.add(serving)

    def selector(self, version: VersionKey) -> str:
        """The labels of the Deployments and pods of a version."""
        labels = {SERVING: version.serving.name, VARIANT: version.variant, REVISION: version.revision}
        return ",".join([self._selector, *(f"{label}={value}" for label, value in labels.items())])

    def versions(self, resource: Resource, serving: ServingName | None = None) -> Iterable[VersionKey]:
        """The versions of a serving, or of all servings, that have objects of a kind."""
        return self._by_version[resource].versions(serving)

    def objects(self, resource: Resource, version: VersionKey) -> list[Manifest]:
        """The objects of a version of a kind."""
        return self._by_version[resource].of(version)
