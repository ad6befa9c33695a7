"""A Kubernetes cluster as a backend: Deployments or SeldonDeployments behind the cluster's own data plane."""

from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Self

from klever_deployer.adapters.request_scaling import RequestScaling
from klever_deployer.errors import DataPlaneError
from klever_deployer.settings import DeployerSettings
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkube.services import HTTP_SERVICE_PORT, grpc_service_port
from kleverkube.version import ServedVersion
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.connecting import connected
from kleverkubeclient.resources import DESTINATION_RULES, HTTP_ROUTES, VIRTUAL_SERVICES
from kleverkubeclient.watches import Watches
from kleverroutes.kubernetes.data_planes import route_renderer
from kleverroutes.kubernetes.options import RouteOptions
from kleverroutes.kubernetes.services import VersionService
from kleverroutes.versions import ServingName, VersionKey

from .copies import ClusterCopies
from .data_plane import ClusterDataPlane
from .detection import detected_backend
from .kinds import PLAIN, name_of
from .kserve import KSERVE
from .memory import ClusterMemory
from .metrics.gateway import GatewayMetrics
from .pod_logs import PodLogs
from .preparation import ClusterPreparation
from .refusals import RefusedServingError
from .route_probes import RouteProbe, settle_by_time
from .scaling import ClusterScaling
from .seldon.workloads import SeldonWorkloads
from .workloads import ClusterWorkloads

KINDS = {"plain": PLAIN, "kserve": KSERVE}


class ClusterBackend:
    """See `ports.Backend`. A cluster keeps serving while no deployer runs.

    Args:
        settings: which cluster, and how.
    """

    def __init__(self, settings: DeployerSettings) -> None:
        self._kubeconfig = settings.kubeconfig
        self._api = KubernetesApi(refused=RefusedServingError)
        self._options = _options(settings)
        self.models = ClusterPreparation(self._served)
        self._metrics = GatewayMetrics(settings)
        self.requests = self._metrics.counts
        by_requests, by_cpu = RequestScaling(self.requests), ClusterScaling(self._number)
        self.scaling = by_cpu if self._options.autoscalers else by_requests
        self._backend = settings.backend
        self._on_change = by_cpu.on_change
        self.workloads = self._workloads("plain" if settings.backend in {"local", "cluster"} else settings.backend)
        self.data_plane = self._data_plane(settings)
        self.data_plane.on_change = self._notice
        self.copies = ClusterCopies(self._api, settings.cluster_namespace, self._options)
        self.memory = partial(ClusterMemory, self._api, settings.cluster_namespace, self._options)
        positions = settings.work_dir.resolve() / "cluster-logs.json"
        self.logs = PodLogs(self._api, self._pods, positions)
        self._background = (self.logs.run, by_requests.run)
        self._watches = Watches(self._api)
        self._connection = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Connect, and read what runs. Raises TransientError, ServingError."""
        async with AsyncExitStack() as stack:
            self._api.use(await stack.enter_async_context(connected(self._kubeconfig)))
            await stack.enter_async_context(self._metrics)
            self.scaling.reset()
            self.logs.load()
            if self._backend == "cluster":
                self.workloads = self._workloads(await detected_backend(self._api, self._options))
            await self.workloads.load()
            await self.data_plane.load()
            watched = (*self.workloads.watched, *self.data_plane.watched.values())
            self._watches = Watches(self._api, watched, self._background)
            self._connection = stack.pop_all()
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Leave what serves to the next deployer."""
        await self._connection.aclose()

    async def run(self) -> None:
        """See `Backend`. A part that fails is restarted, and the others continue."""
        await self._watches.run()

    async def problem(self) -> str | None:
        """See `Backend`."""
        return await self._watches.problem()

    def _workloads(self, backend: str) -> ClusterWorkloads | SeldonWorkloads:
        parts = (self._api, self._options, self.models.registry, self._on_change)
        return SeldonWorkloads(*parts) if backend == "seldon" else ClusterWorkloads(*parts, kind=KINDS[backend])

    def _pods(self) -> Iterable[Manifest]:
        return self.workloads.all_pods()

    def _served(self) -> Iterable[ServedVersion]:
        return self.workloads.served()

    def _notice(self, serving: ServingName) -> None:
        self.workloads.notice(serving)

    def _number(self, version: VersionKey) -> int | None:
        return self.workloads.number(version)

    def _data_plane(self, settings: DeployerSettings) -> ClusterDataPlane:
        renderer = route_renderer(_route_options(settings))
        render = partial(renderer.objects, services=self._service)
        refusals = partial(renderer.refusals, services=self._planned_service)
        make = partial(ClusterDataPlane, self._api, self._options, render, refusals)
        if settings.cluster_routes == "gateway-api":
            return make((HTTP_ROUTES,))
        settle = RouteProbe(settings.ingress_url) if settings.ingress_public_url else settle_by_time
        return make((DESTINATION_RULES, VIRTUAL_SERVICES), settle)

    def _service(self, key: VersionKey) -> VersionService:
        """The Service of a version. Raises DataPlaneError if it was not applied."""
        if self.workloads.find(key) is None:
            raise DataPlaneError(f"version {key.name} is not on the cluster yet")
        return self._planned_service(key)

    def _planned_service(self, key: VersionKey) -> VersionService:
        """The Service of a version as far as it is known: whether it supports gRPC depends on its model."""
        version = self.workloads.find(key)
        grpc = grpc_service_port(version, self._options) if version is not None else None
        return VersionService(name_of(key), key.serving.namespace, HTTP_SERVICE_PORT, grpc)


def _route_options(settings: DeployerSettings) -> RouteOptions:
    return RouteOptions(
        kind=settings.cluster_routes,
        gateway=settings.cluster_gateway,
        sticky_extension=settings.cluster_sticky_extension,
        retries_extension=settings.cluster_retries_extension,
    )


def _options(settings: DeployerSettings) -> ClusterOptions:
    return replace(
        settings.cluster_options(),
        client_namespaces=settings.cluster_client_namespaces,
        autoscalers=settings.cluster_scaling == "cpu",
        ready_seconds=settings.ready_timeout_seconds,
        grace_seconds=settings.grace_seconds,
        max_request_bytes=settings.max_request_bytes,
        kserve_mode=settings.cluster_kserve_mode,
    )
