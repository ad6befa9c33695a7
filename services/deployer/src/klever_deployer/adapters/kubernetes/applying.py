"""Applies only objects that differ from the last applied ones: a pass over unchanged servings makes no request."""

from collections.abc import Mapping

from kleverkube.manifest import Manifest
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.resources import Resource, resource_of
from kleverkubeclient.watched import ObjectName, Watched, object_name


class Applier:
    """Applies objects, and knows which of them are as they were applied.

    Args:
        api: the cluster.
        watched: the kinds whose objects are known; those of other kinds are always applied.
    """

    def __init__(self, api: KubernetesApi, watched: Mapping[Resource, Watched]) -> None:
        self._api = api
        self._watched = watched
        self._applied: dict[tuple[Resource, ObjectName], tuple[Manifest, Manifest]] = {}
        """The last applied manifest, and the state of the object after it."""

    async def apply(self, manifest: Manifest) -> Manifest | None:
        """Apply an object, and return it as it is stored; None if there was nothing to change. Raises as the API."""
        resource, name = resource_of(manifest), object_name(manifest)
        if self._is_applied(resource, name, manifest):
            return None
        stored = await self._api.apply(manifest)
        if (watched := self._watched.get(resource)) is not None:
            watched.put(stored)
            self._applied[resource, name] = (manifest, _state(stored))
        return stored

    def forget(self, resource: Resource, name: ObjectName) -> None:
        """An object was deleted."""
        self._applied.pop((resource, name), None)

    def reset(self) -> None:
        """Another deployer may have changed the objects."""
        self._applied.clear()

    def _is_applied(self, resource: Resource, name: ObjectName, manifest: Manifest) -> bool:
        watched, applied = self._watched.get(resource), self._applied.get((resource, name))
        if watched is None or applied is None or watched.problem is not None:
            return False
        present = watched.objects.get(name)
        return present is not None and applied == (manifest, _state(present))


def _state(stored: Manifest) -> Manifest:
    """The part of an object that only others can have changed since it was applied; the status is left out."""
    metadata = stored["metadata"]
    state = {each: metadata.get(each) for each in ("uid", "labels", "annotations", "deletionTimestamp")}
    return {**state, "generation": metadata.get("generation", metadata["resourceVersion"])}
