"""Model servers as Deployments of a cluster."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from klever_deployer.domain.versions import ServingName, VersionKey, VersionSpec, VersionState
from klever_deployer.errors import UNSUPPORTED_FORMAT, ServingError
from kleverkit.errors import TransientError
from kleverkit.notices import Notices
from kleverkube.errors import UnsupportedOnClusterError
from kleverkube.labels import owned_by, recorded
from kleverkube.manifest import Manifest
from kleverkube.naming import version_name
from kleverkube.options import ClusterOptions
from kleverkube.rendering import refusal, render
from kleverkube.version import ServedVersion
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.resources import AUTOSCALERS, DEPLOYMENTS, NETWORK_POLICIES, PODS, SERVICES
from kleverkubeclient.watched import Watched
from kleverproto.envelope import utc_now
from kleverproto.variants import Variant

from .replica_numbers import ReplicaNumbers
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
        self.deployments = Watched(api, DEPLOYMENTS, selector, self._on_change)
        self.pods = Watched(api, PODS, selector, self._on_change)

    async def load(self) -> None:
        """Read what the cluster has. Raises TransientError, ServingError."""
        await self.deployments.load()
        await self.pods.load()

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
        for manifest in manifests:
            stored = await self._api.apply(manifest)
            if manifest["kind"] == DEPLOYMENTS.kind:
                self.deployments.put(stored)

    async def remove(self, version: VersionKey) -> None:
        """See `Workloads`."""
        namespace, name = version.serving.namespace, name_of(version)
        await self._api.delete(AUTOSCALERS, namespace, name)
        await self._api.delete(DEPLOYMENTS, namespace, name, owned_first=True)
        while not await self._is_gone(version):  # noqa: ASYNC110 - the watch may be interrupted
            await asyncio.sleep(POLL_SECONDS)
        for resource in AFTER_PODS:
            await self._api.delete(resource, namespace, name)
        if (present := self._deployment(version)) is not None:
            self.deployments.forget(present)

    def states(self, serving: ServingName | None = None) -> list[VersionState]:
        """See `Workloads`."""
        pods, now = self._pods_by_version(), self._clock()
        return [
            version_state(key, deployment, pods[key], now)
            for deployment in self.deployments.objects.values()
            if (key := version_key(deployment)) is not None and serving in {None, key.serving}
        ]

    async def changed(self) -> set[ServingName]:
        """See `Workloads`."""
        return await self._changed.take()

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
        listing = await self._api.list(PODS, owned_by(self._options), namespace)
        return all(version_key(pod) != version for pod in listing.items)

    def _deployment(self, key: VersionKey) -> Manifest | None:
        return self.deployments.objects.get((key.serving.namespace, name_of(key)))

    def _pods_by_version(self) -> defaultdict[VersionKey | None, list[Manifest]]:
        pods: defaultdict[VersionKey | None, list[Manifest]] = defaultdict(list)
        for pod in self.pods.objects.values():
            pods[version_key(pod)].append(pod)
        return pods

    def _on_change(self, changed: Manifest) -> None:
        if (key := version_key(changed)) is not None:
            self._changed.add(key.serving)
            self._report(key)


def name_of(key: VersionKey) -> str:
    """The name of the objects of a version."""
    return version_name(key.serving.name, key.variant, key.revision)
