"""Model servers as predictors of SeldonDeployments."""

import asyncio
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from itertools import chain

from klever_deployer.adapters.kubernetes.observed import ObservedVersions
from klever_deployer.adapters.kubernetes.served import rendering, served_version
from klever_deployer.adapters.kubernetes.states import version_state
from klever_deployer.adapters.kubernetes.version_workloads import POLL_SECONDS, VersionWorkloads
from klever_deployer.domain.versions import VersionSpec, VersionState
from kleverkit.errors import TransientError
from kleverkube.labels import PLATFORM, VERSION, recorded
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkube.seldon.rendering import has_autoscaler, own_objects, refusal
from kleverkube.seldon.seldon_deployments import Predictor
from kleverkube.version import ServedVersion
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.failures import MissingKindError
from kleverkubeclient.resources import AUTOSCALERS, DEPLOYMENTS, PODS, SERVICES
from kleverkubeclient.watched import Watched
from kleverproto.envelope import utc_now
from kleverproto.variants import Variant
from kleverroutes.versions import ServingName, VersionKey

from .objects import SeldonObjects
from .states import predictor_state, without_deployment

SELDON_ID = "seldon-deployment-id"
"""Label of everything that the operator makes."""
OPERATOR_SECONDS = 5.0
"""Time for the operator to delete the Deployment of a predictor that was removed."""


class SeldonWorkloads(VersionWorkloads):
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
        observed = ObservedVersions(api, f"{PLATFORM}={options.platform},{SELDON_ID}", on_change)
        super().__init__(api, options, clock, observed)
        self._registry = registry
        self._operator_seconds = operator_seconds
        self._missing: dict[VersionKey, datetime] = {}
        """Time at which a predictor was first observed without a Deployment."""
        self._objects = SeldonObjects(api, options, observed.announce)
        self.roots = self._objects.watched

    @property
    def watched(self) -> tuple[Watched, ...]:
        """See `VersionWorkloads`."""
        return (self.roots, *self._own.values(), self.deployments, self.pods)

    async def load(self) -> None:
        """See `VersionWorkloads`. Raises TransientError, ServingError."""
        self._missing.clear()
        try:
            await super().load()
        except MissingKindError as error:
            raise TransientError(
                "the cluster has no SeldonDeployments: install Seldon Core 1.17, or set KLEVER_DEPLOYER_BACKEND=plain"
            ) from error

    def refusal(self, serving: ServingName, variant: Variant) -> str | None:
        """See `Workloads`."""
        return refusal(serving.name, variant, self._options)

    async def apply(self, spec: VersionSpec, replicas: int) -> None:
        """See `Workloads`. What others have changed of the version's objects is undone.

        A new version with autoscaling gets its autoscaler once its Deployment has the number of replicas, because
        Seldon Core would begin with one.
        """
        version = served_version(spec, self._registry)
        with rendering():
            is_scaled = has_autoscaler(version, self._options) and self.number(spec.key) is not None
            predictor = Predictor.of_version(version, self._options, None if is_scaled else replicas)
            own = own_objects(version, self._options)
        await self._apply_objects(spec.key, own)
        await self._objects.put(spec.key.serving, predictor)

    async def remove(self, version: VersionKey) -> None:
        """See `Workloads`.

        The operator deletes the Deployment only when all other versions are ready. After OPERATOR_SECONDS it is deleted
        here, but not earlier: an operator that does not know of the removal yet would create it again.
        """
        loop = asyncio.get_running_loop()
        await self._objects.remove(version)
        deadline = loop.time() + self._operator_seconds
        while not await self._is_gone(version, is_late=loop.time() >= deadline):  # noqa: ASYNC110 - watches may break
            await asyncio.sleep(POLL_SECONDS)
        await self._remove_objects(version)
        if (present := self._deployment(version)) is not None:
            self.deployments.forget(present)

    def states(self, serving: ServingName | None = None) -> list[VersionState]:
        """See `Workloads`. Versions whose predictor was removed are included while anything of them is left."""
        now = self._clock()
        predictors = {_key(stored, each): (stored, each) for stored, each in self._objects.predictors(serving)}
        others = (self._observed.versions(each, serving) for each in (DEPLOYMENTS, SERVICES))
        keys = dict.fromkeys((*predictors, *chain.from_iterable(others)))
        self._retain_missing(predictors, serving)
        return [self._state(key, predictors.get(key), now) for key in keys]

    def find(self, version: VersionKey) -> ServedVersion | None:
        """Return the version that a predictor describes; None if there is no predictor."""
        described = (
            each for stored, each in self._objects.predictors(version.serving) if _key(stored, each) == version
        )
        return next((recorded({VERSION: each.version}) for each in described), None)

    def served(self) -> Iterator[ServedVersion]:
        """The versions that the predictors describe."""
        for _, predictor in self._objects.predictors():
            if (version := recorded({VERSION: predictor.version})) is not None:
                yield version

    def _state(self, key: VersionKey, described: tuple[Manifest, Predictor] | None, now: datetime) -> VersionState:
        """A version of which only a Service is left has no desired replicas."""
        deployment, pods = self._deployment(key), self._observed.objects(PODS, key)
        if described is not None:
            stored, predictor = described
            state = predictor_state(key, predictor, deployment, pods, now)
            return without_deployment(state, stored, self._time_without(key, deployment, now))
        return version_state(key, deployment, pods, now) if deployment is not None else VersionState(key)

    def _time_without(self, key: VersionKey, deployment: Manifest | None, now: datetime) -> timedelta:
        """Return the time for which a predictor is known to have no Deployment, while no watch was interrupted."""
        if deployment is not None or self.deployments.problem is not None:
            self._missing.pop(key, None)
            return timedelta(0)
        return now - self._missing.setdefault(key, now)

    def _retain_missing(self, predictors: Collection[VersionKey], serving: ServingName | None) -> None:
        """A predictor that was deleted may be created again."""
        for key in [key for key in self._missing if serving in {None, key.serving} and key not in predictors]:
            del self._missing[key]

    async def _is_gone(self, version: VersionKey, *, is_late: bool) -> bool:
        """Return whether no Deployment and no pod is left on the server; deletes Deployments after a time."""
        namespace, selector = version.serving.namespace, self._observed.selector(version)
        deployments = (await self._api.list(DEPLOYMENTS, selector, namespace)).items
        remaining = [each["metadata"] for each in deployments if "deletionTimestamp" not in each["metadata"]]
        for metadata in remaining if is_late else ():
            await self._api.delete(AUTOSCALERS, namespace, metadata["name"])
            await self._api.delete(DEPLOYMENTS, namespace, metadata["name"], owned_first=True)
        if deployments or (await self._api.list(PODS, selector, namespace)).items:
            return False
        return await self._objects.has_settled(version.serving)

    def _deployment(self, key: VersionKey) -> Manifest | None:
        return next(iter(self._observed.objects(DEPLOYMENTS, key)), None)


def _key(stored: Manifest, predictor: Predictor) -> VersionKey:
    serving = ServingName(stored["metadata"]["namespace"], stored["metadata"]["name"])
    return VersionKey(serving, *predictor.key)
