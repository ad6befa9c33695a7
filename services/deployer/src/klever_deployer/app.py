"""The assembly of the deployer."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from kleverkit.incarnations import FileMemory, Memory, RememberedBucket
from kleverkit.leadership import Leadership
from kleverkit.lease_state import LeaseRecord, LeaseStatus
from kleverkit.leases import Lease
from kleverkit.nats_documents import NatsDocuments, NatsStream
from kleverkit.service import Runtime, make_runtime
from kleverproto.envelope import utc_now
from kleverproto.jobs import JobDocument
from kleverproto.models import ModelDocument
from kleverproto.projects import ProjectDocument
from kleverproto.servings import ServingDocument
from kleverproto.streams import JOBS_BUCKET, LEASES_BUCKET, MODELS_BUCKET, PROJECTS_BUCKET, SERVINGS, SERVINGS_BUCKET
from ormb.client import OrmbClient
from ormb.layout import default_root
from ormb.own_registry import OwnRegistry

from .adapters.catalogue import DocumentCatalogue, DocumentPolicies
from .adapters.conversions import JobConversions
from .adapters.copies import FileCopies
from .adapters.local.backend import LocalBackend
from .adapters.local.home_lock import HomeLock
from .adapters.model_registries import OciRegistries
from .domain.runtimes import ChooseRuntime, choose, choose_on_cluster
from .handlers import build_router
from .metrics import add_metrics, reconcile_duration, rollout_duration
from .ports import Backend, CopyStore, ModelCatalogue, ModelRegistries
from .routes import ingress_metrics
from .service.copies import Copies
from .service.followers import Followers
from .service.intents import Intents
from .service.logbook import Logbook
from .service.models import Models
from .service.observer import Observer
from .service.promoter import Promoter
from .service.reconciler import Reconciler
from .service.records import Records
from .service.restorer import Restorer
from .service.rollout import Rollout
from .service.servers import Servers
from .service.serving import BackendLoops
from .service.updater import Updater
from .settings import DeployerSettings


@dataclass(frozen=True)
class Place:
    """Placement of servings.

    Attributes:
        backend: runs them.
        copies: stores their copies.
        memory: stores the state of the bucket or stream with this name, beside the copies.
        choose: chooses their runtimes.
    """

    backend: Backend
    copies: CopyStore
    memory: Callable[[str], Memory]
    choose: ChooseRuntime


def build(settings: DeployerSettings, *, clock: Callable[[], datetime] = utc_now) -> Runtime:
    """The service, ready to run; it is a standby until it holds the lease."""
    runtime = make_runtime("deployer", settings)
    home = HomeLock(settings.work_dir.resolve())
    home.join()
    address, http = settings.registry_address, settings.registry_plain_http
    own = OwnRegistry.of(address, settings.registry_password_file, plain_http=http)
    registries = OciRegistries(lambda: OrmbClient(default_root(), own=own))
    if settings.backend == "local":
        local = LocalBackend(settings, OrmbClient(default_root(), own=own))
        runtime.web.add_routes([ingress_metrics(local.requests.metrics)])
        runtime.on_stop.append(partial(_stop_if_last, runtime, settings, home, local))
        place = Place(local, FileCopies(settings.work_dir.resolve() / "servings"), partial(_memory, settings), choose)
    else:
        place = _cluster(settings)
    lease = Lease(NatsDocuments(runtime.client, LEASES_BUCKET, LeaseRecord), runtime.name, runtime.metrics)
    lead = partial(_lead, runtime, settings, clock, home, place, registries)
    # the home's lock outlasts an expired lease
    runtime.leadership = Leadership(runtime.compete(lease), lead, lost=[LeaseStatus.STANDBY])
    return runtime


def _memory(settings: DeployerSettings, name: str) -> Memory:
    return FileMemory(settings.work_dir.resolve() / "remembered" / f"{name}.json")


def _cluster(settings: DeployerSettings) -> Place:
    from .adapters.kubernetes.backend import ClusterBackend  # noqa: PLC0415 - its client takes seconds to import

    backend = ClusterBackend(settings)
    return Place(backend, backend.copies, backend.memory, choose_on_cluster)


@asynccontextmanager
async def _lead(
    runtime: Runtime,
    settings: DeployerSettings,
    clock: Callable[[], datetime],
    home: HomeLock,
    place: Place,
    registries: ModelRegistries,
) -> AsyncIterator[None]:
    async with home.exclusive():
        _assemble(runtime, settings, clock, place, registries)
        runtime.health.add("ingress", place.backend.problem)
        yield


async def _stop_if_last(runtime: Runtime, settings: DeployerSettings, home: HomeLock, backend: LocalBackend) -> None:
    """Stops model servers and Envoy, unless the process has failed or another deployer can take over."""
    with home.leave() as is_last:
        if settings.stop_on_exit and is_last and runtime.exit_reason is None:
            await backend.stop()


def _assemble(
    runtime: Runtime,
    settings: DeployerSettings,
    clock: Callable[[], datetime],
    place: Place,
    registries: ModelRegistries,
) -> None:
    """Adds the use cases of the leader to the runtime."""
    backend = place.backend
    servings = NatsDocuments(runtime.client, SERVINGS_BUCKET, ServingDocument)
    copies = Copies(place.copies)
    records = Records(servings, runtime.publisher, runtime.events, clock, copies)
    restorer = _restorer(runtime, records, servings, place.memory)
    catalogue = DocumentCatalogue(NatsDocuments(runtime.client, MODELS_BUCKET, ModelDocument))
    models = _models(runtime, catalogue, registries, place)
    servers = Servers(backend, settings.ingress_url, settings.ready_timeout_seconds, settings.allow_commands)
    observer = Observer(records, servers)
    duration = rollout_duration(runtime.metrics)
    rollout = Rollout(records, models, servers, Promoter(records, servers), observer, duration)
    reconciler = Reconciler(
        records=records,
        restorer=restorer,
        rollout=rollout,
        backend=backend,
        clock=clock,
        resync_seconds=settings.resync_seconds,
        duration=reconcile_duration(runtime.metrics),
    )
    intents, followers = Intents(records, servers.problem), Followers(servings, copies)
    runtime.serve([build_router(intents, Updater(catalogue, intents, followers), reconciler, restorer)])
    logbook = Logbook(backend.logs, runtime.publisher, runtime.events)
    loops = BackendLoops(backend, [reconciler.run, observer.run, logbook.run])
    runtime.loops += [copies.run, followers.run, restorer.run, loops.run]
    runtime.health.add("backend", loops.problem)
    runtime.health.add("servings", restorer.problem)
    runtime.health.add("copies", copies.check)
    add_metrics(runtime.metrics, restorer, reconciler)


def _restorer(
    runtime: Runtime, records: Records, servings: NatsDocuments[ServingDocument], memory: Callable[[str], Memory]
) -> Restorer:
    requests = NatsStream(runtime.client, SERVINGS.name)
    bucket = RememberedBucket(memory("servings"), servings)
    stream = RememberedBucket(memory("requests"), requests)
    return Restorer(records, bucket, stream, requests.incarnation)


def _models(runtime: Runtime, catalogue: ModelCatalogue, registries: ModelRegistries, place: Place) -> Models:
    return Models(
        catalogue,
        DocumentPolicies(NatsDocuments(runtime.client, PROJECTS_BUCKET, ProjectDocument)),
        registries,
        place.backend.models,
        JobConversions(NatsDocuments(runtime.client, JOBS_BUCKET, JobDocument), runtime.publisher, runtime.events),
        place.choose,
    )
