"""The assembly of the jobrunner."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import gettempdir

from aiohttp import web

from kleverkit.health import holds
from kleverkit.loops import Loop
from kleverkit.nats_documents import NatsDocuments
from kleverkit.service import Runtime, make_runtime
from kleverproto.envelope import utc_now
from kleverproto.jobs import JobDocument, JobKind
from kleverproto.models import ModelDocument
from kleverproto.projects import ProjectDocument
from kleverproto.streams import JOBS_BUCKET, MODELS_BUCKET, PROJECTS_BUCKET
from kleverproto.subjects import escape
from modelformats.threads import in_thread
from ormb.client import OrmbClient
from ormb.layout import default_root
from ormb.own_registry import OwnRegistry

from .adapters.disk import Disk
from .adapters.execution import toolchain_converter, worker_pool
from .adapters.home import claim_home
from .adapters.nats_backlog import NatsBacklog
from .adapters.nats_withdrawals import NatsWithdrawals
from .adapters.ormb_models import OrmbModels
from .adapters.registry_results import RegistryResults
from .adapters.worker_pool import WorkerPool
from .handlers import build_router
from .metrics import JobMetrics
from .ports import Backlog, Operation, RemoteRuns, Trusted, TrustedNames
from .service.adoption import Adoption
from .service.attempts import Attempts
from .service.claims import Claims
from .service.conversions import Conversions
from .service.deletions import Deletions
from .service.durations import JobDurations
from .service.extraction import Extraction, Scanning
from .service.jobs import Jobs
from .service.ledger import Ledger
from .service.monitor import JobMonitor
from .service.policies import Policies
from .service.remote_cleanup import RemoteCleanup
from .service.remote_conversions import RemoteConversions
from .service.slots import FairSlots
from .settings import JobrunnerSettings


def build(settings: JobrunnerSettings, *, clock: Callable[[], datetime] = utc_now) -> Runtime:
    """The service, ready to run."""
    runtime = make_runtime("jobrunner", settings)
    home = claim_home(settings.work_dir)
    pool = worker_pool(settings, home.scratch, settings.workers)
    address, http = settings.registry_address, settings.registry_plain_http
    own = OwnRegistry.of(address, settings.registry_password_file, plain_http=http)
    client = OrmbClient(default_root(), own=own)
    documents = NatsDocuments(runtime.client, JOBS_BUCKET, JobDocument)
    ledger = Ledger(documents, runtime.publisher, runtime.events, clock)
    monitor = JobMonitor(documents)
    claims, disk = Claims(ledger, monitor), Disk((settings.work_dir, settings.toolchains, Path(gettempdir())))
    operations = _operations(runtime, settings, client, pool)
    if settings.backend == "kubernetes":
        conversions = _conversions(runtime, settings, client, pool)
        operations |= _use_cluster(runtime, settings, conversions, partial(RemoteCleanup, ledger, monitor))
    slots = FairSlots(settings.conversions, lambda: monitor.running(JobKind.CONVERT, except_by=home.name))
    jobs = Jobs(
        home.name,
        ledger,
        claims,
        Attempts(ledger, claims, operations, home.scratch, JobDurations(runtime.metrics)),
        NatsWithdrawals(runtime.client),
        disk.shortage,
        slots={JobKind.CONVERT: slots},
    )
    runtime.serve([build_router(jobs, _policies(runtime))])
    runtime.web.cleanup_ctx.append(_resources(home.scratch, client, pool))
    deletions = Deletions(ledger)
    runtime.refreshes.append(JobMetrics(runtime.metrics, deletions, monitor).refresh)
    adoption = Adoption(jobs, claims, {JobKind.CONVERT})
    runtime.loops += [monitor.run, adoption.run, _recovery_loop(jobs, NatsBacklog(runtime.client)), deletions.run]
    runtime.health.add("workers", holds(pool.is_ready, "no worker process is ready yet"))
    runtime.health.add("disk", disk.check)
    return runtime


def _operations(
    runtime: Runtime, settings: JobrunnerSettings, client: OrmbClient, pool: WorkerPool
) -> dict[JobKind, Operation]:
    """The operations of a jobrunner that runs all jobs on this machine."""
    models = OrmbModels(client)
    return {
        JobKind.EXTRACT: Extraction(models, pool),
        JobKind.SCAN: Scanning(models, pool),
        JobKind.CONVERT: _conversions(runtime, settings, client, pool),
    }


def _conversions(runtime: Runtime, settings: JobrunnerSettings, client: OrmbClient, pool: WorkerPool) -> Conversions:
    models, converter = OrmbModels(client), toolchain_converter(settings)
    return Conversions(models, pool, converter, RegistryResults(client), models, models, _trusted(runtime))


def _use_cluster(
    runtime: Runtime,
    settings: JobrunnerSettings,
    conversions: Conversions,
    start_cleanup: Callable[[RemoteRuns], RemoteCleanup],
) -> dict[JobKind, Operation]:
    """The operations that a cluster runs, whose parts are added to the runtime."""
    from .adapters.kubernetes.cluster import JobCluster  # noqa: PLC0415 - its client takes seconds to import
    from .adapters.kubernetes.options import job_options  # noqa: PLC0415 - see above
    from .adapters.kubernetes.pod_jobs import PodJobs  # noqa: PLC0415 - see above

    cluster = JobCluster(job_options(settings), settings.kubeconfig)
    pods = PodJobs(cluster, _trusted(runtime), settings.cluster_start_seconds)
    runtime.web.cleanup_ctx.append(_connection(cluster))
    runtime.loops += [cluster.run, start_cleanup(cluster).run]
    runtime.health.add("cluster", cluster.problem)
    parsing: dict[JobKind, Operation] = dict.fromkeys((JobKind.EXTRACT, JobKind.SCAN), pods)
    converting: dict[JobKind, Operation] = {JobKind.CONVERT: RemoteConversions(conversions, pods)}
    return converting | (parsing if settings.extract == "job" else {})


def _policies(runtime: Runtime) -> Policies:
    models = NatsDocuments(runtime.client, MODELS_BUCKET, ModelDocument)
    projects = NatsDocuments(runtime.client, PROJECTS_BUCKET, ProjectDocument)
    return Policies(models, projects, runtime.publisher, runtime.events)


def _trusted(runtime: Runtime) -> Trusted:
    projects = NatsDocuments(runtime.client, PROJECTS_BUCKET, ProjectDocument)

    async def trusted(project: str) -> TrustedNames:
        stored = await projects.get(escape(project))
        return stored.document.spec.policy.trust if stored else ()

    return trusted


def _resources(scratch: Path, client: OrmbClient, pool: WorkerPool) -> Callable[[web.Application], AsyncIterator[None]]:
    """The resources that are open from before the first message until after the last one."""

    async def hold(_application: web.Application) -> AsyncIterator[None]:
        await in_thread(shutil.rmtree, scratch, ignore_errors=True)  # files of a process that was killed
        async with client, pool:
            yield

    return hold


def _connection(
    cluster: AbstractAsyncContextManager[object],
) -> Callable[[web.Application], AsyncIterator[None]]:
    """The connection to the cluster, open as long as the other resources."""

    async def hold(_application: web.Application) -> AsyncIterator[None]:
        async with cluster:
            yield

    return hold


def _recovery_loop(jobs: Jobs, backlog: Backlog) -> Loop:
    """A loop that recovers jobs once, at start."""

    async def recover() -> None:
        await jobs.recover(backlog)
        await asyncio.Event().wait()

    return recover
