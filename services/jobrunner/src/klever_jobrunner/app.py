"""The assembly of the jobrunner."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from datetime import datetime
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
from .ports import Backlog, Operation, Trusted, TrustedNames
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
from .service.slots import FairSlots
from .settings import JobrunnerSettings


def build(settings: JobrunnerSettings, *, clock: Callable[[], datetime] = utc_now) -> Runtime:
    """The service, ready to run."""
    runtime = make_runtime("jobrunner", settings)
    home = claim_home(settings.work_dir)
    pool = worker_pool(settings, home.scratch, settings.workers)
    client = OrmbClient(default_root(), own=OwnRegistry.of(settings.registry_address, settings.registry_password_file))
    documents = NatsDocuments(runtime.client, JOBS_BUCKET, JobDocument)
    ledger = Ledger(documents, runtime.publisher, runtime.events, clock)
    monitor = JobMonitor(documents)
    claims, disk = Claims(ledger, monitor), Disk((settings.work_dir, settings.toolchains, Path(gettempdir())))
    operations = _operations(runtime, settings, client, pool)
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
    models = OrmbModels(client)
    return {
        JobKind.EXTRACT: Extraction(models, pool),
        JobKind.SCAN: Scanning(models, pool),
        JobKind.CONVERT: Conversions(
            models, pool, toolchain_converter(settings), RegistryResults(client), models, models, _trusted(runtime)
        ),
    }


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


def _recovery_loop(jobs: Jobs, backlog: Backlog) -> Loop:
    """A loop that recovers jobs once, at start."""

    async def recover() -> None:
        await jobs.recover(backlog)
        await asyncio.Event().wait()

    return recover
