"""Model servers as Deployments of a cluster, created directly or by an operator."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from klever_deployer.domain.versions import ServingName, VersionKey, VersionSpec, VersionState
from klever_deployer.errors import UNSUPPORTED_FORMAT, ServingError
from kleverkube.errors import UnsupportedOnClusterError
from kleverkube.labels import owned_by, recorded
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkube.version import ServedVersion
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.resources import AUTOSCALERS, DEPLOYMENTS, NETWORK_POLICIES, PODS, SERVICES
from kleverkubeclient.watched import Watched
from kleverproto.envelope import utc_now
from kleverproto.variants import Variant

from .kinds import PLAIN, VersionKind, name_of
from .observed import ObservedVersions
from .replica_numbers import ReplicaNumbers
from .served import served_version
from .states import version_key, version_state

POLL_SECONDS = 0.1
AFTER_PODS = (SERVICES, NETWORK_POLICIES)
"""What is deleted when no pod is left."""


class ClusterWorkloads:
    """See `ports.Workloads`: a Deployment for each version, and the objects that belong to it.

    Args:
        api: the cluster.
        options: of the cluster.
        registry: the registry of a model by its digest; None if it is not known.
        on_change: called with each version whose objects or pods have changed.
        clock: the present time.
        kind: how the cluster runs versions.
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
        self._api = api
        self._options = options
        self._registry = registry
        self._clock = clock
        self._kind = kind
        self._numbers = ReplicaNumbers(api)
        selector = owned_by(options)
        self._observed = observed = ObservedVersions(api, selector, on_change)
        self.deployments, self.pods = observed.deployments, observed.pods
        self.roots = Watched(api, kind.root, selector, observed.take) if kind.owns_deployment else self.deployments
        self.watched = list(dict.fromkeys((self.roots, self.deployments, self.pods)))
        """All copies of objects; their `run` must run."""

    async def load(self) -> None:
        """Read what the cluster has. Raises TransientError, ServingError."""
        for each in self.watched:
            await each.load()

    def refusal(self, serving: ServingName, variant: Variant) -> str | None:
        """See `Workloads`."""
        return self._kind.refusal(serving.namespace, variant, self._options)

    async def apply(self, spec: VersionSpec, replicas: int) -> None:
        """See `Workloads`. What others have changed of the objects is undone."""
        version = served_version(spec, self._registry)
        try:
            manifests = self._kind.render(version, self._options, replicas)
        except UnsupportedOnClusterError as error:
            raise ServingError(str(error), code=UNSUPPORTED_FORMAT) from error
        present = self._root(spec.key)
        if not any(manifest["kind"] == AUTOSCALERS.kind for manifest in manifests):
            await self._delete_autoscaler(spec.key, present)
        elif not self._kind.owns_deployment:
            await self._numbers.hand_over(present, manifests, replicas)
        if not any(manifest["kind"] == NETWORK_POLICIES.kind for manifest in manifests):
            await self._api.delete(NETWORK_POLICIES, spec.key.serving.namespace, name_of(spec.key))
        for manifest in manifests:
            stored = await self._api.apply(manifest)
            if manifest["kind"] == self._kind.root.kind:
                self.roots.put(stored)

    async def remove(self, version: VersionKey) -> None:
        """See `Workloads`."""
        namespace, name = version.serving.namespace, name_of(version)
        await self._api.delete(AUTOSCALERS, namespace, name)
        await self._api.delete(self._kind.root, namespace, self._kind.name(version), owned_first=True)
        while not await self._is_gone(version):  # noqa: ASYNC110 - the watch may be interrupted
            await asyncio.sleep(POLL_SECONDS)
        for resource in AFTER_PODS:
            await self._api.delete(resource, namespace, name)
        for watched, present in ((self.roots, self._root(version)), (self.deployments, self._deployment(version))):
            if present is not None:
                watched.forget(present)

    def states(self, serving: ServingName | None = None) -> list[VersionState]:
        """See `Workloads`."""
        pods, now = self._observed.pods_by_version(), self._clock()
        keys = {version_key(each): None for watched in self.watched[:-1] for each in watched.objects.values()}
        return [self._state(key, pods[key], now) for key in keys if key is not None and serving in {None, key.serving}]

    async def changed(self) -> set[ServingName]:
        """See `Workloads`."""
        return await self._observed.changed()

    def number(self, version: VersionKey) -> int | None:
        """The number of replicas in the Deployment of a version; None if there is no Deployment."""
        deployment = self._deployment(version)
        return deployment["spec"].get("replicas", 1) if deployment is not None else None

    def find(self, version: VersionKey) -> ServedVersion | None:
        """What the objects of a version describe; None if there are none."""
        root = self._root(version)
        return recorded(root["metadata"].get("annotations")) if root is not None else None

    def all_pods(self) -> Iterable[Manifest]:
        """The pods of all versions."""
        return self.pods.objects.values()

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
        """Whether neither its objects nor a pod of it is left, read from the server."""
        namespace = version.serving.namespace
        names = {self._kind.root: self._kind.name(version), DEPLOYMENTS: self._kind.deployment_name(version)}
        for resource, name in names.items():
            if await self._api.read(resource, namespace, name) is not None:
                return False
        listing = await self._api.list(PODS, owned_by(self._options), namespace)
        return all(version_key(pod) != version for pod in listing.items)

    def _state(self, key: VersionKey, pods: list[Manifest], now: datetime) -> VersionState:
        root, deployment = self._root(key), self._deployment(key)
        desired = self._kind.desired(root) if root is not None else None
        if deployment is not None:
            return version_state(key, deployment, pods, now, desired)
        problem = self._kind.waiting(root, now) if root is not None else None
        return VersionState(key, desired=1 if desired is None else desired, problem=problem)

    def _root(self, key: VersionKey) -> Manifest | None:
        return self.roots.objects.get((key.serving.namespace, self._kind.name(key)))

    def _deployment(self, key: VersionKey) -> Manifest | None:
        return self.deployments.objects.get((key.serving.namespace, self._kind.deployment_name(key)))
