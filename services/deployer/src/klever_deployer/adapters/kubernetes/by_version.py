"""Objects of the cluster by the version that they belong to, so that a lookup does not read all of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from kleverkube.manifest import Manifest
from kleverkubeclient.watched import ObjectName
from kleverroutes.versions import ServingName, VersionKey

from .states import version_key


@dataclass
class ObjectsByVersion:
    """The objects of one kind."""

    _objects: dict[VersionKey, dict[ObjectName, Manifest]] = field(default_factory=dict)
    _keys: dict[ObjectName, VersionKey] = field(default_factory=dict)
    _versions: dict[ServingName, set[VersionKey]] = field(default_factory=dict)

    def update(self, name: ObjectName, present: Manifest | None) -> None:
        """An object has changed; None if it was deleted."""
        if (before := self._keys.pop(name, None)) is not None:
            self._discard(name, before)
        if present is not None and (key := version_key(present)) is not None:
            self._keys[name] = key
            self._objects.setdefault(key, {})[name] = present
            self._versions.setdefault(key.serving, set()).add(key)

    def of(self, key: VersionKey) -> list[Manifest]:
        """The objects of a version."""
        return list(self._objects.get(key, {}).values())

    def versions(self, serving: ServingName | None = None) -> Iterable[VersionKey]:
        """The versions of a serving, or of all servings."""
        return self._objects.keys() if serving is None else self._versions.get(serving, set())

    def _discard(self, name: ObjectName, key: VersionKey) -> None:
        objects = self._objects[key]
        del objects[name]
        if not objects:
            del self._objects[key]
            versions = self._versions[key.serving]
            versions.discard(key)
            if not versions:
                del self._versions[key.serving]
