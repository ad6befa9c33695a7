"""The deployer, put together."""

import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from kleverkit.health import holds
from kleverkit.incarnations import RememberedBucket
from kleverkit.leadership import Leadership
from kleverkit.lease_state import LeaseRecord, LeaseStatus
from kleverkit.leases import Lease
from kleverkit.nats_documents import NatsDocuments, NatsStream
from kleverkit.secret_files import SecretFiles
from kleverkit.service import Runtime, make_runtime
from kleverproto.envelope import utc_now
from kleverproto.jobs import JobDocument
from kleverproto.models import ModelDocument
from kleverproto.projects import ProjectDocument
from kleverproto.servings import ServingDocument
from kleverproto.streams import JOBS_BUCKET, LEASES_BUCKET, MODELS_BUCKET, PROJECTS_BUCKET, SERVINGS, SERVINGS_BUCKET
from kleversandbox.support import Confinement, find_support
from modelconversion.toolchains.store import ToolchainStore
from ormb.client import OrmbClient
from ormb.layout import default_root
from ormb.own_registry import OwnRegistry

from .adapters.catalogue import DocumentCatalogue, DocumentPolicies
from .adapters.conversions import JobConversions
from .adapters.copies import FileCopies
from .adapters.followed_routes import FollowedRoutes
from .adapters.local.envoy import EnvoyDataPlane
from .adapters.local.home_lock import HomeLock
from .adapters.local.launching import Launching, server_packages, server_path
from .adapters.local.model_store import LocalModelStore
from .adapters.local.workloads import LocalWorkloads
from .adapters.toolchains import LocalToolchains
from .adapters.waiting_room import WaitingRoom
from .domain.routing import ready_endpoint
from .handlers import build_router
from .metrics import add_metrics
from .ports import ModelCatalogue
from .routes import ingress_metrics
from .service.advancing import Advance
from .service.copies import Copies
from .service.followers import Followers
from .service.following import Following
from .service.intents import Intents
from .service.logbook import Logbook
from .service.models import Models
from .service.observing import Observer
from .service.reconciling import Reconciler
from .service.records import Records
from .service.restoring import Restorer
from .service.rollout import Rollout
from .service.scaling import Scaler
from .service.servers import Servers
from .service.shelf import Shelf
from .settings import DeployerSettings


def build(settings: DeployerSettings, *, clock: Callable[[], datetime] = utc_now) -> Runtime:
    """The service, ready to run; it does nothing until it is the leader."""
    runtime = make_runtime("deployer", settings)
    home = HomeLock(settings.work_dir.resolve())
    home.join()
    ingress = _Ingress()
    runtime.web.add_routes([ingress_metrics(ingress.metrics)])
    records = NatsDocuments(runtime.client, LEASES_BUCKET, LeaseRecord)
    lease = runtime.compete(Lease(records, runtime.name, runtime.metrics))
    lead = partial(_lead, runtime, settings, clock, home, ingress)
    runtime.leadership = Leadership(lease, lead, lost=[LeaseStatus.STANDBY])  # the home's lock outlasts an expiry
    runtime.on_stop.append(partial(_stop_if_last, runtime, settings, home))
    return runtime


@dataclass
class _Ingress:
    """The leader's Envoy."""

    envoy: EnvoyDataPlane | None = None

    async def metrics(self) -> bytes:
        """What Envoy counts; nothing in a standby."""
        return b"" if self.envoy is None else await self.envoy.metrics()


@asynccontextmanager
async def _lead(
    runtime: Runtime,
    settings: DeployerSettings,
    clock: Callable[[], datetime],
    home: HomeLock,
    ingress: _Ingress,
) -> AsyncIterator[None]:
    async with home.exclusive():
        workloads, ingress.envoy = _assemble(runtime, settings, clock)
        try:
            yield
        finally:
            await workloads.abandon()


async def _stop_if_last(runtime: Runtime, settings: DeployerSettings, home: HomeLock) -> None:
    """What serves outlives its deployer, unless that is asked to stop and no other is there to take over."""
    with home.left() as is_last:
        if is_last and runtime.exit_reason is None:
            work_dir = settings.work_dir.resolve()
            await _workloads(settings, work_dir, Confinement(find_support(), settings.allow_unsandboxed)).close()
            await _envoy(settings, work_dir).close()


def _assemble(
    runtime: Runtime, settings: DeployerSettings, clock: Callable[[], datetime]
) -> tuple[LocalWorkloads, EnvoyDataPlane]:
    """Everything that the leader is, with what the one before has left in the home."""
    work_dir = settings.work_dir.resolve()
    own = OwnRegistry.of(settings.registry_address, settings.registry_password_file)
    store = LocalModelStore(work_dir / "models", OrmbClient(default_root(), own=own))
    confinement = Confinement(find_support(), settings.allow_unsandboxed)
    workloads = _workloads(settings, work_dir, confinement)
    envoy = _envoy(settings, work_dir)
    servings = NatsDocuments(runtime.client, SERVINGS_BUCKET, ServingDocument)
    copies = Copies(FileCopies(work_dir / "servings"))
    records = Records(servings, runtime.publisher, runtime.events, clock, copies)
    restorer = _restorer(runtime, records, servings, work_dir)
    scaler = Scaler(envoy)
    room = _waiting_room(settings, workloads, scaler)
    routes = FollowedRoutes(envoy, room)
    servers = _servers(settings, workloads, routes, scaler, room)
    catalogue = DocumentCatalogue(NatsDocuments(runtime.client, MODELS_BUCKET, ModelDocument))
    shelf = Shelf(store)
    models = _models(runtime, settings, catalogue, shelf, confinement)
    observer = Observer(records, servers)
    reconciler = Reconciler(
        records=records,
        restorer=restorer,
        rollout=Rollout(records, models, servers, Advance(records, servers), observer),
        workloads=workloads,
        scaler=scaler,
        data_plane=routes,
        shelf=shelf,
        clock=clock,
        resync_seconds=settings.resync_seconds,
    )
    intents, followers = Intents(records), Followers(servings, copies)
    runtime.serve([build_router(intents, Following(catalogue, intents, followers), reconciler, restorer)])
    logbook = Logbook(workloads.logs, runtime.publisher, runtime.events)
    runtime.loops += [logbook.run, workloads.run, envoy.run, envoy.logs.run, store.run, copies.run, followers.run]
    runtime.loops += [room.run, restorer.run, reconciler.run, scaler.run, observer.run]
    _report(runtime, envoy, restorer, copies)
    add_metrics(runtime.metrics, restorer, reconciler)
    return workloads, envoy


def _report(runtime: Runtime, envoy: EnvoyDataPlane, restorer: Restorer, copies: Copies) -> None:
    runtime.health.add("ingress", holds(envoy.is_live, "Envoy does not answer: see envoy.log in the work directory"))
    runtime.health.add("servings", restorer.problem)
    runtime.health.add("copies", copies.check)


def _restorer(runtime: Runtime, records: Records, servings: NatsDocuments[ServingDocument], work_dir: Path) -> Restorer:
    requests = NatsStream(runtime.client, SERVINGS.name)
    bucket = RememberedBucket(work_dir / "remembered" / "servings.json", servings)
    stream = RememberedBucket(work_dir / "remembered" / "requests.json", requests)
    return Restorer(records, bucket, stream, requests.incarnation)


def _servers(
    settings: DeployerSettings, workloads: LocalWorkloads, routes: FollowedRoutes, scaler: Scaler, room: WaitingRoom
) -> Servers:
    url, patience = settings.ingress_url, settings.ready_timeout_seconds
    return Servers(workloads, routes, url, patience, scaler, room.endpoint, settings.allow_commands)


def _waiting_room(settings: DeployerSettings, workloads: LocalWorkloads, scaler: Scaler) -> WaitingRoom:
    return WaitingRoom(
        lambda backend: ready_endpoint(backend, workloads.states()),
        scaler.wake,
        patience=settings.ready_timeout_seconds,
        limit=settings.max_request_bytes,
    )


def _workloads(settings: DeployerSettings, work_dir: Path, confinement: Confinement) -> LocalWorkloads:
    """Model servers, run by this interpreter or by that of a toolchain, which imports the server's packages only."""
    path = server_path(work_dir / "python", server_packages())
    secrets = SecretFiles(settings.secrets)
    limit = settings.max_request_bytes
    launching = Launching(Path(sys.executable), path, secrets, confinement, max_request_bytes=limit)
    return LocalWorkloads(work_dir / "workloads", launching, grace_seconds=settings.grace_seconds)


def _envoy(settings: DeployerSettings, work_dir: Path) -> EnvoyDataPlane:
    return EnvoyDataPlane(
        work_dir / "envoy",
        host=settings.ingress_host,
        port=settings.ingress_port,
        drain_seconds=settings.grace_seconds,
        otlp_endpoint=settings.otlp_endpoint,
        max_request_bytes=settings.max_request_bytes,
    )


def _models(
    runtime: Runtime, settings: DeployerSettings, catalogue: ModelCatalogue, shelf: Shelf, confinement: Confinement
) -> Models:
    return Models(
        catalogue,
        DocumentPolicies(NatsDocuments(runtime.client, PROJECTS_BUCKET, ProjectDocument)),
        shelf,
        LocalToolchains(ToolchainStore(settings.toolchains, uv=os.environ.get("UV", "uv"))),
        JobConversions(NatsDocuments(runtime.client, JOBS_BUCKET, JobDocument), runtime.publisher, runtime.events),
        confinement,
    )
