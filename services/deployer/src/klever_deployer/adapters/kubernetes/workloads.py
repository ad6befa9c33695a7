"""Model servers as Deployments of a cluster."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from klever_deployer.domain.versions import ServingName, VersionKey, VersionSpec, VersionState
from klever_deployer.errors import UNSUPPORTED_FORMAT, ServingError
from kleverkit.errors import TransientError
from kleverkit.notices import Notices
from kleverkube.errors import UnsupportedOnClusterError
from kleverkube.labels import REVISION, SERVING, VARIANT, owned_by, recorded
from kleverkube.manifest import Manifest
from kleverkube.naming import version_name
from kleverkube.options import ClusterOptions
from kleverkube.rendering import refusal, render
from kleverkube.version import ServedVersion
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.resources import AUTOSCALERS, DEPLOYMENTS, NETWORK_POLICIES, PODS, SERVICES
from kleverkubeclient.watched import Watched, object_name
from kleverproto.envelope import utc_now
from kleverproto.variants import Variant

from .applying import Applier
from .by_version import ObjectsByVersion
from .replica_numbers import ReplicaNumbers
from .states import version_key, version_state

POLL_SECONDS = 0.1
CHANGE_SECONDS = 0.25
"""Shortest time between two passes; also limits a conflict with a controller that changes the same fields."""
AFTER_PODS = (NETWORK_POLICIES, SERVICES)
"""What is deleted when no pod is left. The Service is applied first and deleted last: while anything of a version is
left, so is its Service."""


class ClusterWorkloads:
    """See `ports.Workloads`: a Deployment for each version, and the objects that belong to it.

    Args:
        api: the cluster.
        options: of the cluster.
        registry: the registry of a model by its digest; None if it is not known.
        on_change: called with each version whose Deployment or pods have changed.
        clock: the present time.
    """

    def __init__(
        self,
        api: KubernetesApi,
        options: ClusterOptions,
        registry: Callable[[str], str | None],
        on_change: Callable[[VersionKey], None] = lambda _version: None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._api = api
        self._options = options
        self._registry = registry
        self._report = on_change
        self._clock = clock
        self._numbers = ReplicaNumbers(api)
        self._changed: Notices[ServingName] = Notices()
        selector = owned_by(options)
        self.services = Watched(api, SERVICES, selector, self._on_service)
        self.deployments = Watched(api, DEPLOYMENTS, selector, self._on_deployment)
        self.pods = Watched(api, PODS, selector, self._on_pod)
        self.watched = (self.services, self.deployments, self.pods)
        self._services_by_version = ObjectsByVersion()
        self._deployments_by_version = ObjectsByVersion()
        self._pods_by_version = ObjectsByVersion()
        self._applier = Applier(api, {SERVICES: self.services, DEPLOYMENTS: self.deployments})

    async def load(self) -> None:
        """Read what the cluster has. Raises TransientError, ServingError."""
        self._applier.reset()
        for watched in self.watched:
            await watched.load()

    def refusal(self, _namespace: str, variant: Variant) -> str | None:
        """See `Workloads`."""
        return refusal(variant, self._options)

    async def apply(self, spec: VersionSpec, replicas: int) -> None:
        """See `Workloads`. What others have changed of the objects is undone."""
        version = self._served(spec)
        try:
            manifests = render(version, self._options, replicas)
        except UnsupportedOnClusterError as error:
            raise ServingError(str(error), code=UNSUPPORTED_FORMAT) from error
        present = self._deployment(spec.key)
        if version.variant.autoscaling is None:
            await self._delete_autoscaler(spec.key, present)
        else:
            await self._numbers.hand_over(present, manifests, replicas)
        for manifest in sorted(manifests, key=_applied_later):
            await self._apply(manifest)

    async def remove(self, version: VersionKey) -> None:
        """See `Workloads`."""
        namespace, name = version.serving.namespace, name_of(version)
        await self._api.delete(AUTOSCALERS, namespace, name)
        await self._api.delete(DEPLOYMENTS, namespace, name, owned_first=True)
        while not await self._is_gone(version):  # noqa: ASYNC110 - the watch may be interrupted
            await asyncio.sleep(POLL_SECONDS)
        for resource in AFTER_PODS:
            await self._api.delete(resource, namespace, name)
        for resource, watched in ((DEPLOYMENTS, self.deployments), (SERVICES, self.services)):
            self._applier.forget(resource, (namespace, name))
            if (present := watched.objects.get((namespace, name))) is not None:
                watched.forget(present)

    def states(self, serving: ServingName | None = None) -> list[VersionState]:
        """See `Workloads`. A version of which only a Service is left has no desired replicas."""
        now, deployments = self._clock(), self._deployments_by_version
        left = set(self._services_by_version.versions(serving)).difference(deployments.versions(serving))
        return [
            *(
                version_state(key, deployment, self._pods_by_version.of(key), now)
                for key in deployments.versions(serving)
                for deployment in deployments.of(key)
            ),
            *(VersionState(key) for key in sorted(left)),
        ]

    async def changed(self) -> set[ServingName]:
        """See `Workloads`. Several changes within a short time are one: a start has a dozen."""
        changed = await self._changed.take()
        await asyncio.sleep(CHANGE_SECONDS)
        return changed

    def notice(self, serving: ServingName) -> None:
        """Let `changed` return a serving of which other objects have changed."""
        self._changed.add(serving)

    def number(self, version: VersionKey) -> int | None:
        """The number of replicas in the Deployment of a version; None if there is no Deployment."""
        deployment = self._deployment(version)
        return deployment["spec"].get("replicas", 1) if deployment is not None else None

    def find(self, version: VersionKey) -> ServedVersion | None:
        """What the Deployment of a version describes; None if there is no Deployment."""
        deployment = self._deployment(version)
        return recorded(deployment["metadata"].get("annotations")) if deployment is not None else None

    def all_pods(self) -> Iterable[Manifest]:
        """The pods of all versions."""
        return self.pods.objects.values()

    def served(self) -> Iterator[ServedVersion]:
        """The versions that the Deployments describe."""
        for deployment in self.deployments.objects.values():
            if (version := recorded(deployment["metadata"].get("annotations"))) is not None:
                yield version

    def _served(self, spec: VersionSpec) -> ServedVersion:
        model = spec.model
        registry = model.registry or self._registry(model.digest)
        if registry is None:
            raise TransientError(f"the registry of {model.ref}@{model.digest} is not known yet")
        return ServedVersion(
            namespace=spec.key.serving.namespace,
            serving=spec.key.serving.name,
            revision=spec.key.revision,
            variant=spec.variant,
            model=model.ref,
            digest=model.digest,
            registry=registry,
            format=model.facts.format,
            runtime=spec.runtime,
            trust=spec.trust,
            made=model.made,
            unverified=model.facts.unverified,
        )

    async def _delete_autoscaler(self, key: VersionKey, present: Manifest | None) -> None:
        """An autoscaler of the version's earlier settings would change the number of replicas."""
        earlier = recorded(present["metadata"].get("annotations")) if present else None
        if earlier is not None and earlier.variant.autoscaling is not None:
            await self._api.delete(AUTOSCALERS, key.serving.namespace, name_of(key))

    async def _is_gone(self, version: VersionKey) -> bool:
        """Whether neither the Deployment nor a pod of it is left, read from the server."""
        namespace = version.serving.namespace
        if await self._api.read(DEPLOYMENTS, namespace, name_of(version)) is not None:
            return False
        listing = await self._api.list(PODS, pods_of(version, self._options), namespace)
        return not listing.items

    def _deployment(self, key: VersionKey) -> Manifest | None:
        return self.deployments.objects.get((key.serving.namespace, name_of(key)))

    async def _apply(self, manifest: Manifest) -> None:
        """Apply an object; one that an interrupted `remove` has begun to delete is applied again when it is gone."""
        while (stored := await self._applier.apply(manifest)) is not None:
            if "deletionTimestamp" not in stored["metadata"]:
                return
            await asyncio.sleep(POLL_SECONDS)

    def _on_service(self, changed: Manifest) -> None:
        self._on_change(self.services, self._services_by_version, changed)

    def _on_deployment(self, changed: Manifest) -> None:
        self._on_change(self.deployments, self._deployments_by_version, changed)

    def _on_pod(self, changed: Manifest) -> None:
        self._on_change(self.pods, self._pods_by_version, changed)

    def _on_change(self, watched: Watched, by_version: ObjectsByVersion, changed: Manifest) -> None:
        name = object_name(changed)
        by_version.update(name, watched.objects.get(name))
        if (key := version_key(changed)) is not None:
            self._changed.add(key.serving)
            self._report(key)


def pods_of(version: VersionKey, options: ClusterOptions) -> str:
    """The label selector of the pods of a version."""
    labels = {SERVING: version.serving.name, VARIANT: version.variant, REVISION: version.revision}
    return ",".join([owned_by(options), *(f"{label}={value}" for label, value in labels.items())])


def _applied_later(manifest: Manifest) -> bool:
    return bool(manifest["kind"] != SERVICES.kind)


def name_of(key: VersionKey) -> str:
    """The name of the objects of a version."""
    return version_name(key.serving.name, key.variant, key.revision)
