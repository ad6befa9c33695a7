"""Model servers as Deployments of a cluster, created directly or by an operator."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime

from klever_deployer.domain.versions import VersionSpec, VersionState
from kleverkube.labels import owned_by, recorded
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkube.version import ServedVersion
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.resources import AUTOSCALERS, DEPLOYMENTS, PODS, SERVICES
from kleverkubeclient.watched import Watched
from kleverproto.envelope import utc_now
from kleverproto.variants import Variant
from kleverroutes.versions import ServingName, VersionKey

from .kinds import PLAIN, VersionKind, name_of
from .observed import ObservedVersions
from .replica_numbers import ReplicaNumbers
from .served import rendering, served_version
from .states import version_state
from .version_workloads import POLL_SECONDS, VersionWorkloads


class ClusterWorkloads(VersionWorkloads):
    """See `ports.Workloads`: a Deployment for each version, and the objects that belong to it.

    Args:
        api: the cluster.
        options: options of the cluster.
        registry: the registry of a model by its digest; None if it is not known.
        on_change: called with each version whose objects or pods have changed.
        clock: the present time.
        kind: kind of objects that run versions.
    """

    def __init__(
        self,
        api: KubernetesApi,
        options: ClusterOptions,
        registry: Callable[[str], str | None],
        on_change: Callable[[VersionKey], None] = lambda _version: None,
        clock: Callable[[], datetime] = utc_now,
        kind: VersionKind = PLAIN,
    ) -> None:
        observed = ObservedVersions(api, owned_by(options), on_change)
        self.roots = observed.watch(kind.root) if kind.owns_deployment else observed.deployments
        super().__init__(api, options, clock, observed, {kind.root: self.roots})
        self._registry = registry
        self._kind = kind
        self._numbers = ReplicaNumbers(api)

    @property
    def watched(self) -> list[Watched]:
        """See `VersionWorkloads`."""
        return list(dict.fromkeys((*self._own.values(), self.roots, self.deployments, self.pods)))

    def refusal(self, serving: ServingName, variant: Variant) -> str | None:
        """See `Workloads`."""
        return self._kind.refusal(serving.namespace, variant, self._options)

    async def apply(self, spec: VersionSpec, replicas: int) -> None:
        """See `Workloads`. What others have changed of the objects is undone."""
        version = served_version(spec, self._registry)
        with rendering():
            manifests = self._kind.render(version, self._options, replicas)
        present = self._root(spec.key)
        if not any(manifest["kind"] == AUTOSCALERS.kind for manifest in manifests):
            await self._delete_autoscaler(spec.key, present)
        elif not self._kind.owns_deployment:
            await self._numbers.hand_over(present, manifests, replicas)
        await self._apply_objects(spec.key, manifests)

    async def remove(self, version: VersionKey) -> None:
        """See `Workloads`."""
        namespace = version.serving.namespace
        await self._api.delete(AUTOSCALERS, namespace, name_of(version))
        await self._api.delete(self._kind.root, namespace, self._kind.name(version), owned_first=True)
        while not await self._is_gone(version):  # noqa: ASYNC110 - the watch may be interrupted
            await asyncio.sleep(POLL_SECONDS)
        await self._remove_objects(version)
        self._forget(self._kind.root, self.roots, namespace, self._kind.name(version))
        self._forget(DEPLOYMENTS, self.deployments, namespace, self._kind.deployment_name(version))

    def states(self, serving: ServingName | None = None) -> list[VersionState]:
        """See `Workloads`."""
        now = self._clock()
        kinds = dict.fromkeys((self._kind.root, DEPLOYMENTS, SERVICES))
        keys = dict.fromkeys(key for each in kinds for key in self._observed.versions(each, serving))
        return [self._state(key, now) for key in keys]

    def find(self, version: VersionKey) -> ServedVersion | None:
        """Return the version that objects describe; None if there are none."""
        root = self._root(version)
        return recorded(root["metadata"].get("annotations")) if root is not None else None

    def served(self) -> Iterator[ServedVersion]:
        """The versions that the objects of the cluster describe."""
        for root in self.roots.objects.values():
            if (version := recorded(root["metadata"].get("annotations"))) is not None:
                yield version

    async def _delete_autoscaler(self, key: VersionKey, present: Manifest | None) -> None:
        """An autoscaler of the version's earlier settings would change the number of replicas."""
        if present is not None and self._kind.is_autoscaled(present):
            await self._api.delete(AUTOSCALERS, key.serving.namespace, name_of(key))

    async def _is_gone(self, version: VersionKey) -> bool:
        """Return whether neither its objects nor a pod of it is left, read from the server."""
        namespace = version.serving.namespace
        names = {self._kind.root: self._kind.name(version), DEPLOYMENTS: self._kind.deployment_name(version)}
        for resource, name in names.items():
            if await self._api.read(resource, namespace, name) is not None:
                return False
        listing = await self._api.list(PODS, self._observed.selector(version), namespace)
        return not listing.items

    def _state(self, key: VersionKey, now: datetime) -> VersionState:
        """A version of which only a Service is left has no desired replicas."""
        root, deployment = self._root(key), self._deployment(key)
        desired = self._kind.desired(root) if root is not None else None
        if deployment is not None:
            return version_state(key, deployment, self._observed.objects(PODS, key), now, desired)
        if root is None:
            return VersionState(key)
        problem = self._kind.waiting(root, now) if self.deployments.problem is None else None
        return VersionState(key, desired=1 if desired is None else desired, problem=problem)

    def _root(self, key: VersionKey) -> Manifest | None:
        return self.roots.objects.get((key.serving.namespace, self._kind.name(key)))

    def _deployment(self, key: VersionKey) -> Manifest | None:
        return self.deployments.objects.get((key.serving.namespace, self._kind.deployment_name(key)))
