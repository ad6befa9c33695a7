"""A Kubernetes cluster as a backend: Deployments or SeldonDeployments behind the cluster's own data plane."""

from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Self

from klever_deployer.adapters.request_scaling import RequestScaling
from klever_deployer.domain.routing import ServingRoute
from klever_deployer.domain.versions import ServingName, VersionKey
from klever_deployer.errors import DataPlaneError
from klever_deployer.settings import DeployerSettings
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkube.servers import server_of
from kleverkube.services import GRPC_SERVICE_PORT, HTTP_SERVICE_PORT
from kleverkube.version import ServedVersion
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.connecting import connected
from kleverkubeclient.resources import DESTINATION_RULES, HTTP_ROUTES, VIRTUAL_SERVICES
from kleverkubeclient.watches import Watches

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
from .routes.gateway_api import gateway_objects, gateway_refusals
from .routes.http_routes import ExtensionRef, GatewayIngress
from .routes.istio import istio_objects, istio_refusals
from .routes.probes import with_probe
from .routes.services import Services, VersionService
from .routes.virtual_services import IstioIngress
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
        make = partial(ClusterDataPlane, self._api, self._options)
        if settings.cluster_routes == "istio":
            istio = IstioIngress(gateways=(settings.cluster_gateway,))
            render = partial(_probed_istio_objects, ingress=istio, services=self._service)
            refusals = partial(istio_refusals, services=self._planned_service)
            settle = RouteProbe(settings.ingress_url) if settings.ingress_public_url else settle_by_time
            return make(render, refusals, (DESTINATION_RULES, VIRTUAL_SERVICES), settle)
        namespace, _, name = settings.cluster_gateway.partition("/")
        sticky, retries = map(_extension, (settings.cluster_sticky_extension, settings.cluster_retries_extension))
        gateway = GatewayIngress(name=name, namespace=namespace, sticky=sticky, retries=retries)
        render = partial(gateway_objects, ingress=gateway, services=self._service)
        refusals = partial(gateway_refusals, ingress=gateway, services=self._planned_service)
        return make(render, refusals, (HTTP_ROUTES,))

    def _service(self, key: VersionKey) -> VersionService:
        """The Service of a version. Raises DataPlaneError if it was not applied."""
        if self.workloads.find(key) is None:
            raise DataPlaneError(f"version {key.name} is not on the cluster yet")
        return self._planned_service(key)

    def _planned_service(self, key: VersionKey) -> VersionService:
        """The Service of a version as far as it is known: whether it supports gRPC depends on its model."""
        version = self.workloads.find(key)
        has_grpc = version is not None and server_of(version, self._options).grpc_port is not None
        grpc = GRPC_SERVICE_PORT if has_grpc else None
        return VersionService(name_of(key), key.serving.namespace, HTTP_SERVICE_PORT, grpc)


def _probed_istio_objects(route: ServingRoute, ingress: IstioIngress, services: Services) -> list[Manifest]:
    return with_probe(istio_objects(route, ingress, services), route.serving)


def _extension(setting: str | None) -> ExtensionRef | None:
    """The filter that a setting names: group, kind and name."""
    return ExtensionRef(*setting.split("/")) if setting is not None else None


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
