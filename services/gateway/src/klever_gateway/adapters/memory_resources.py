"""Custom resources in memory, for tests."""

import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from klever_gateway.domain.resources.resource import Notice, Resource, ResourceKind, ResourceName
from kleverkit.errors import TransientError
from kleverproto.base import WireModel
from kleverproto.custom_resources import FINALIZER, ResourceStatus


@dataclass
class InMemoryResources:
    """See `klever_gateway.ports.ResourceStore`. `apply` and `remove` are the actions of users."""

    managed: frozenset[str] = frozenset()
    stored: dict[ResourceName, Resource] = field(default_factory=dict)
    notices: list[tuple[ResourceName, Notice]] = field(default_factory=list)
    is_away: bool = False
    _versions: Any = field(default_factory=lambda: itertools.count(1))
    _listeners: list[Callable[[ResourceName], None]] = field(default_factory=list)

    @asynccontextmanager
    async def following(self, changed: Callable[[ResourceName], None]) -> AsyncIterator[None]:
        """See `ResourceStore`."""
        self._check()
        for name in self.stored:
            changed(name)
        self._listeners.append(changed)
        try:
            yield
        finally:
            self._listeners.remove(changed)

    def apply(self, name: ResourceName, spec: Mapping[str, Any], labels: Mapping[str, str] | None = None) -> Resource:
        """Create a resource, or change its spec."""
        present = self.stored.get(name)
        if present is None:
            uid = f"uid-{next(self._versions)}"
            return self._put(
                Resource(name=name, uid=uid, version="", generation=1, labels=dict(labels or {}), spec=dict(spec))
            )
        generation = present.generation + (present.spec != dict(spec))
        return self._put(replace(present, spec=dict(spec), generation=generation))

    def remove(self, name: ResourceName) -> None:
        """Delete a resource as a user does: it stays while it is held."""
        present = self.stored[name]
        if present.finalizers:
            self._put(replace(present, is_deleting=True, generation=present.generation + 1))
        else:
            del self.stored[name]
            self._announce(name)

    def manages(self, namespace: str) -> bool:
        """See `ResourceStore`."""
        return not self.managed or namespace in self.managed

    def find(self, name: ResourceName) -> Resource | None:
        """See `ResourceStore`."""
        return self.stored.get(name) if self.manages(name.namespace) else None

    def resources(self, kind: ResourceKind) -> list[Resource]:
        """See `ResourceStore`."""
        return [each for each in self.stored.values() if each.name.kind is kind and self.manages(each.name.namespace)]

    async def hold(self, resource: Resource) -> Resource:
        """See `ResourceStore`."""
        present = self._present(resource)
        finalizers = tuple(dict.fromkeys((*present.finalizers, FINALIZER)))
        return self._put(replace(present, finalizers=finalizers))

    async def release(self, resource: Resource) -> None:
        """See `ResourceStore`."""
        if resource.name not in self.stored:
            return
        present = self._present(resource)
        self._put(replace(present, finalizers=tuple(each for each in present.finalizers if each != FINALIZER)))
        if present.is_deleting and not self.stored[resource.name].finalizers:
            self.remove(resource.name)

    async def write_status(self, resource: Resource, status: ResourceStatus) -> Resource:
        """See `ResourceStore`."""
        return self._put(replace(self._present(resource), status=status.model_dump(mode="json", exclude_none=True)))

    async def create(self, name: ResourceName, spec: WireModel, labels: Mapping[str, str]) -> Resource:
        """See `ResourceStore`."""
        self._check()
        return self.stored.get(name) or self.apply(name, spec.model_dump(mode="json", exclude_defaults=True), labels)

    async def delete(self, resource: Resource) -> None:
        """See `ResourceStore`."""
        self._check()
        present = self.stored.get(resource.name)
        if present is not None and present.uid != resource.uid:
            raise TransientError(f"{resource.name} was deleted, and another one has its name")
        if present is not None:
            self.remove(resource.name)

    async def publish(self, resource: Resource, notice: Notice) -> None:
        """See `ResourceStore`."""
        self._check()
        self.notices.append((resource.name, notice))

    def _present(self, resource: Resource) -> Resource:
        """Return the stored resource. Raises TransientError if it is gone, or has changed."""
        self._check()
        present = self.stored.get(resource.name)
        if present is None or (present.uid, present.version) != (resource.uid, resource.version):
            raise TransientError(f"{resource.name} was deleted or has changed")
        return present

    def _check(self) -> None:
        if self.is_away:
            raise TransientError("the API server does not respond")

    def _put(self, resource: Resource) -> Resource:
        stored = replace(resource, version=str(next(self._versions)))
        if (present := self.stored.get(resource.name)) is not None and replace(
            stored, version=present.version
        ) == present:
            return present
        self.stored[resource.name] = stored
        self._announce(resource.name)
        return stored

    def _announce(self, name: ResourceName) -> None:
        for listener in self._listeners:
            listener(name)
