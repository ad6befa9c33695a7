"""Model servers as predictors of SeldonDeployments."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from klever_deployer.adapters.kubernetes.kinds import name_of
from klever_deployer.adapters.kubernetes.observed import ObservedVersions
from klever_deployer.adapters.kubernetes.served import served_version
from klever_deployer.adapters.kubernetes.states import version_state
from klever_deployer.adapters.kubernetes.workloads import AFTER_PODS, POLL_SECONDS
from klever_deployer.domain.versions import ServingName, VersionKey, VersionSpec, VersionState
from klever_deployer.errors import UNSUPPORTED_FORMAT, ServingError
from kleverkube.errors import UnsupportedOnClusterError
from kleverkube.labels import PLATFORM, REVISION, SERVING, VARIANT, VERSION, recorded
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkube.seldon.rendering import has_autoscaler, own_objects, refusal
from kleverkube.seldon.seldon_deployments import Predictor
from kleverkube.version import ServedVersion
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.resources import AUTOSCALERS, DEPLOYMENTS, PODS
from kleverproto.envelope import utc_now
from kleverproto.variants import Variant

from .objects import SeldonObjects
from .states import predictor_state, without_deployment

SELDON_ID = "seldon-deployment-id"
"""Label of everything that the operator makes."""
OPERATOR_SECONDS = 5.0
"""Time for the operator to delete the Deployment of a predictor that was removed."""


class SeldonWorkloads:
    """See `ports.Workloads`: a predictor for each version in the SeldonDeployment of its serving.

    Args:
        api: the cluster.
        options: options of the cluster.
        registry: the registry of a model by its digest; None if it is not known.
        on_change: called with each version whose Deployment or pods have changed.
        clock: the present time.
        operator_seconds: see OPERATOR_SECONDS.
    """

    def __init__(
        self,
        api: KubernetesApi,
        options: ClusterOptions,
        registry: Callable[[str], str | None],
        on_change: Callable[[VersionKey], None] = lambda _version: None,
        clock: Callable[[], datetime] = utc_now,
        operator_seconds: float = OPERATOR_SECONDS,
    ) -> None:
        self._api = api
        self._options = options
        self._registry = registry
        self._clock = clock
        self._operator_seconds = operator_seconds
        self._missing: dict[VersionKey, datetime] = {}
        """Time at which a predictor was first observed without a Deployment."""
        self._observed = ObservedVersions(api, f"{PLATFORM}={options.platform},{SELDON_ID}", on_change)
        self._objects = SeldonObjects(api, options, self._observed.announce)
        self.deployments, self.pods = self._observed.deployments, self._observed.pods
        self.watched = (self._objects.watched, self.deployments, self.pods)

    async def load(self) -> None:
        """Read the objects of the cluster. Raises TransientError, ServingError."""
        await self._objects.load()
        await self._observed.load()

    def refusal(self, serving: ServingName, variant: Variant) -> str | None:
        """See `Workloads`."""
        return refusal(serving.name, variant, self._options)

    async def apply(self, spec: VersionSpec, replicas: int) -> None:
        """See `Workloads`. What others have changed of the version's objects is undone.

        A new version with autoscaling gets its autoscaler once its Deployment has the number of replicas, because
        Seldon Core would begin with one.
        """
        version = served_version(spec, self._registry)
        try:
            is_scaled = has_autoscaler(version, self._options) and self.number(spec.key) is not None
            predictor = Predictor.of_version(version, self._options, None if is_scaled else replicas)
            own = own_objects(version, self._options)
        except UnsupportedOnClusterError as error:
            raise ServingError(str(error), code=UNSUPPORTED_FORMAT) from error
        for manifest in own:
            await self._api.apply(manifest)
        await self._objects.put(spec.key.serving, predictor)

    async def remove(self, version: VersionKey) -> None:
        """See `Workloads`.

        The operator deletes the Deployment only when all other versions are ready. After OPERATOR_SECONDS it is deleted
        here, but not earlier: an operator that does not know of the removal yet would create it again.
        """
        serving, loop = version.serving, asyncio.get_running_loop()
        await self._objects.remove(version)
        deadline = loop.time() + self._operator_seconds
        while not await self._is_gone(version, is_late=loop.time() >= deadline):  # noqa: ASYNC110 - watches may break
            await asyncio.sleep(POLL_SECONDS)
        for resource in AFTER_PODS:
            await self._api.delete(resource, serving.namespace, name_of(version))
        if (present := self._deployment(version)) is not None:
            self.deployments.forget(present)
        self._missing.pop(version, None)

    def states(self, serving: ServingName | None = None) -> list[VersionState]:
        """See `Workloads`. Versions whose predictor was removed are included while they have a Deployment."""
        deployments = {key: self._deployment(key) for key in self._observed.versions(DEPLOYMENTS, serving)}
        now = self._clock()
        states = []
        for stored, predictor in self._objects.predictors(serving):
            key = _key(stored, predictor)
            deployment = deployments.pop(key, None)
            state = predictor_state(key, predictor, deployment, self._pods(key), now)
            states.append(without_deployment(state, stored, self._time_without(key, deployment, now)))
        removed = [(key, each) for key, each in deployments.items() if each is not None]
        return [*states, *(version_state(key, each, self._pods(key), now) for key, each in removed)]

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
        """Return the version that a predictor describes; None if there is no predictor."""
        described = (
            each for stored, each in self._objects.predictors(version.serving) if _key(stored, each) == version
        )
        return next((recorded({VERSION: each.version}) for each in described), None)

    def all_pods(self) -> Iterable[Manifest]:
        """The pods of all versions."""
        return self.pods.objects.values()

    def served(self) -> Iterator[ServedVersion]:
        """The versions that the predictors describe."""
        for _, predictor in self._objects.predictors():
            if (version := recorded({VERSION: predictor.version})) is not None:
                yield version

    def _time_without(self, key: VersionKey, deployment: Manifest | None, now: datetime) -> timedelta:
        """Return the time since a predictor was first observed without a Deployment."""
        if deployment is not None:
            self._missing.pop(key, None)
            return timedelta(0)
        return now - self._missing.setdefault(key, now)

    async def _is_gone(self, version: VersionKey, *, is_late: bool) -> bool:
        """Return whether no Deployment and no pod is left on the server; deletes Deployments after a time."""
        namespace, selector = version.serving.namespace, self._selector(version)
        deployments = (await self._api.list(DEPLOYMENTS, selector, namespace)).items
        remaining = [each["metadata"] for each in deployments if "deletionTimestamp" not in each["metadata"]]
        for metadata in remaining if is_late else ():
            await self._api.delete(AUTOSCALERS, namespace, metadata["name"])
            await self._api.delete(DEPLOYMENTS, namespace, metadata["name"], owned_first=True)
        if deployments or (await self._api.list(PODS, selector, namespace)).items:
            return False
        return await self._objects.has_settled(version.serving)

    def _selector(self, version: VersionKey) -> str:
        labels = {
            PLATFORM: self._options.platform,
            SERVING: version.serving.name,
            VARIANT: version.variant,
            REVISION: version.revision,
        }
        return ",".join([SELDON_ID, *(f"{name}={value}" for name, value in labels.items())])

    def _deployment(self, key: VersionKey) -> Manifest | None:
        return next(iter(self._observed.objects(DEPLOYMENTS, key)), None)

    def _pods(self, key: VersionKey) -> list[Manifest]:
        return self._observed.objects(PODS, key)


def _key(stored: Manifest, predictor: Predictor) -> VersionKey:
    serving = ServingName(stored["metadata"]["namespace"], stored["metadata"]["name"])
    return VersionKey(serving, *predictor.key)
