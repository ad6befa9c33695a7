"""Model servers as Deployments of a cluster, created directly or by an operator."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from klever_deployer.domain.versions import ServingName, VersionKey, VersionSpec, VersionState
from klever_deployer.errors import UNSUPPORTED_FORMAT, ServingError
from kleverkube.errors import UnsupportedOnClusterError
from kleverkube.labels import REVISION, SERVING, VARIANT, owned_by, recorded
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkube.version import ServedVersion
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.resources import AUTOSCALERS, DEPLOYMENTS, NETWORK_POLICIES, PODS, SERVICES
from kleverproto.envelope import utc_now
from kleverproto.variants import Variant

from .applying import Applier
from .kinds import PLAIN, VersionKind, name_of
from .observed import ObservedVersions
from .replica_numbers import ReplicaNumbers
from .served import served_version
from .states import version_state

POLL_SECONDS = 0.1
AFTER_PODS = (NETWORK_POLICIES, SERVICES)
"""Objects that are deleted when no pod is left. The Service is applied first and deleted last: while any
object of a version exists, its Service exists."""


class ClusterWorkloads:
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
        self._api = api
        self._options = options
        self._registry = registry
        self._clock = clock
        self._kind = kind
        self._numbers = ReplicaNumbers(api)
        self._observed = observed = ObservedVersions(api, owned_by(options), on_change)
        self.deployments, self.pods = observed.deployments, observed.pods
        self.services = observed.watch(SERVICES)
        self.policies = observed.watch(NETWORK_POLICIES)
        self.roots = observed.watch(kind.root) if kind.owns_deployment else self.deployments
        self.watched = list(dict.fromkeys((self.services, self.policies, self.roots, self.deployments, self.pods)))
        """All copies of objects; their `run` must run."""
        known = {SERVICES: self.services, NETWORK_POLICIES: self.policies, kind.root: self.roots}
        self._applier = Applier(api, known)

    async def load(self) -> None:
        """Read the objects of the cluster. Raises TransientError, ServingError."""
        self._applier.reset()
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
            await self._delete_policy(spec.key)
        for manifest in sorted(manifests, key=_applied_later):
            await self._apply(manifest)

    async def remove(self, version: VersionKey) -> None:
        """See `Workloads`."""
        namespace, name = version.serving.namespace, name_of(version)
        await self._api.delete(AUTOSCALERS, namespace, name)
        await self._api.delete(self._kind.root, namespace, self._kind.name(version), owned_first=True)
        while not await self._is_gone(version):  # noqa: ASYNC110 - the watch may be interrupted
            await asyncio.sleep(POLL_SECONDS)
        for resource in AFTER_PODS:
            await self._api.delete(resource, namespace, name)
        for resource, watched, left in (
            (SERVICES, self.services, name),
            (NETWORK_POLICIES, self.policies, name),
            (self._kind.root, self.roots, self._kind.name(version)),
            (DEPLOYMENTS, self.deployments, self._kind.deployment_name(version)),
        ):
            self._applier.forget(resource, (namespace, left))
            if (present := watched.objects.get((namespace, left))) is not None:
                watched.forget(present)

    def states(self, serving: ServingName | None = None) -> list[VersionState]:
        """See `Workloads`."""
        now = self._clock()
        kinds = dict.fromkeys((self._kind.root, DEPLOYMENTS, SERVICES))
        keys = dict.fromkeys(key for each in kinds for key in self._observed.versions(each, serving))
        return [self._state(key, now) for key in keys]

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

    def find(self, version: VersionKey) -> ServedVersion | None:
        """Return the version that objects describe; None if there are none."""
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

    async def _delete_policy(self, key: VersionKey) -> None:
        """A policy of the version's earlier settings would still isolate its pods."""
        name = (key.serving.namespace, name_of(key))
        present = self.policies.objects.get(name)
        if present is not None or self.policies.problem is not None:
            await self._api.delete(NETWORK_POLICIES, *name)
            self._applier.forget(NETWORK_POLICIES, name)
        if present is not None:
            self.policies.forget(present)

    async def _is_gone(self, version: VersionKey) -> bool:
        """Return whether neither its objects nor a pod of it is left, read from the server."""
        namespace = version.serving.namespace
        names = {self._kind.root: self._kind.name(version), DEPLOYMENTS: self._kind.deployment_name(version)}
        for resource, name in names.items():
            if await self._api.read(resource, namespace, name) is not None:
                return False
        listing = await self._api.list(PODS, pods_of(version, self._options), namespace)
        return not listing.items

    def _state(self, key: VersionKey, now: datetime) -> VersionState:
        """A version of which only a Service is left has no desired replicas."""
        root, deployment = self._root(key), self._deployment(key)
        if root is None and deployment is None:
            return VersionState(key)
        desired = self._kind.desired(root) if root is not None else None
        if deployment is not None:
            return version_state(key, deployment, self._observed.objects(PODS, key), now, desired)
        problem = self._kind.waiting(root, now) if root is not None else None
        return VersionState(key, desired=1 if desired is None else desired, problem=problem)

    def _root(self, key: VersionKey) -> Manifest | None:
        return self.roots.objects.get((key.serving.namespace, self._kind.name(key)))

    def _deployment(self, key: VersionKey) -> Manifest | None:
        return self.deployments.objects.get((key.serving.namespace, self._kind.deployment_name(key)))

    async def _apply(self, manifest: Manifest) -> None:
        """Apply an object; one that an interrupted `remove` has begun to delete is applied again when it is gone."""
        while (stored := await self._applier.apply(manifest)) is not None:
            if "deletionTimestamp" not in stored["metadata"]:
                return
            await asyncio.sleep(POLL_SECONDS)


def pods_of(version: VersionKey, options: ClusterOptions) -> str:
    """The label selector of the pods of a version."""
    labels = {SERVING: version.serving.name, VARIANT: version.variant, REVISION: version.revision}
    return ",".join([owned_by(options), *(f"{label}={value}" for label, value in labels.items())])


def _applied_later(manifest: Manifest) -> bool:
    return bool(manifest["kind"] != SERVICES.kind)
