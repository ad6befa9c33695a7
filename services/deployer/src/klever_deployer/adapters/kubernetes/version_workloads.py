"""The part of `Workloads` that all backends of a cluster share."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from datetime import datetime

from kleverkube.labels import owned_by
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.resources import NETWORK_POLICIES, SERVICES, Resource
from kleverkubeclient.watched import Watched
from kleverroutes.versions import ServingName, VersionKey

from .applying import Applier
from .kinds import name_of
from .observed import ObservedVersions

POLL_SECONDS = 0.1
OWN = (NETWORK_POLICIES, SERVICES)
"""Kinds of the objects that a version has with every backend, in the order in which they are deleted. The Service is
applied first and deleted last: while any object of a version exists, its Service exists."""


class VersionWorkloads(ABC):
    """Applies the Services and NetworkPolicies of versions, and observes their Deployments and pods.

    Args:
        api: the cluster.
        options: of the cluster.
        clock: the present time.
        observed: the Deployments and pods.
        root: the copy of the objects that run pods, by their kind, if an `Applier` applies these objects.
    """

    def __init__(
        self,
        api: KubernetesApi,
        options: ClusterOptions,
        clock: Callable[[], datetime],
        observed: ObservedVersions,
        root: dict[Resource, Watched] | None = None,
    ) -> None:
        self._api = api
        self._options = options
        self._clock = clock
        self._observed = observed
        self.deployments, self.pods = observed.deployments, observed.pods
        self._own = {each: observed.watch(each, owned_by(options)) for each in OWN}
        self._applier = Applier(api, {**self._own, **(root or {})})

    @property
    @abstractmethod
    def watched(self) -> Iterable[Watched]:
        """All copies of objects; their `run` must run."""

    @abstractmethod
    def _deployment(self, key: VersionKey) -> Manifest | None:
        """The Deployment of a version; None if there is none."""

    async def load(self) -> None:
        """Read the objects of the cluster. Raises TransientError, ServingError."""
        self._applier.reset()
        for each in self.watched:
            await each.load()

    async def changed(self) -> set[ServingName]:
        """See `Workloads`."""
        return await self._observed.changed()

    def notice(self, serving: ServingName) -> None:
        """Let `changed` return a serving of which other objects have changed."""
        self._observed.announce(serving)

    def number(self, version: VersionKey) -> int | None:
        """The number of replicas in the Deployment of a version; None if there is no Deployment."""
        deployment = self._deployment(version)
        return deployment["spec"].get("replicas", 1) if deployment is not None else None

    def all_pods(self) -> Iterable[Manifest]:
        """The pods of all versions."""
        return self.pods.objects.values()

    async def _apply_objects(self, key: VersionKey, manifests: Iterable[Manifest]) -> None:
        """Apply the objects of a version, and delete its own ones that are none of these.

        A policy of the version's earlier settings would still isolate its pods.
        """
        ordered = sorted(manifests, key=lambda each: bool(each["kind"] != SERVICES.kind))
        kinds = {each["kind"] for each in ordered}
        for resource in OWN:
            if resource.kind not in kinds and self._may_have(resource, key):
                await self._delete_own(resource, key)
        for each in ordered:
            await self._apply(each)

    async def _remove_objects(self, key: VersionKey) -> None:
        """Delete the own objects of a version of which no pod is left."""
        for resource in OWN:
            await self._delete_own(resource, key)

    def _may_have(self, resource: Resource, key: VersionKey) -> bool:
        """Return whether the cluster may have an object: all may exist while a watch is interrupted."""
        watched = self._own[resource]
        return watched.problem is not None or (key.serving.namespace, name_of(key)) in watched.objects

    async def _delete_own(self, resource: Resource, key: VersionKey) -> None:
        namespace, name = key.serving.namespace, name_of(key)
        await self._api.delete(resource, namespace, name)
        self._forget(resource, self._own[resource], namespace, name)

    def _forget(self, resource: Resource, watched: Watched, namespace: str, name: str) -> None:
        """An object was deleted."""
        self._applier.forget(resource, (namespace, name))
        if (present := watched.objects.get((namespace, name))) is not None:
            watched.forget(present)

    async def _apply(self, manifest: Manifest) -> None:
        """Apply an object; one that an interrupted `remove` has begun to delete is applied again when it is gone."""
        while (stored := await self._applier.apply(manifest)) is not None:
            if "deletionTimestamp" not in stored["metadata"]:
                return
            await asyncio.sleep(POLL_SECONDS)
