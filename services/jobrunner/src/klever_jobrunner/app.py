"""The jobrunner, put together."""

import asyncio
import os
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
from kleversandbox.support import Confinement, find_support
from modelconversion.execution import Limits
from modelconversion.toolchains.store import ToolchainStore
from modelformats.threads import in_thread
from ormb.client import OrmbClient
from ormb.layout import default_root
from ormb.own_registry import OwnRegistry

from .adapters.disk import Disk
from .adapters.home import runner_name
from .adapters.local import WorkerPool
from .adapters.nats_backlog import NatsBacklog
from .adapters.ormb_models import OrmbModels
from .adapters.toolchain_converter import ToolchainConverter
from .adapters.worker_process import WorkerLimits
from .conversion import Conversions
from .handlers import build_router
from .metrics import add_metrics
from .policies import Policies
from .ports import Backlog, Trusted, Work
from .results import Results
from .service.attempts import Attempts
from .service.claims import Claims
from .service.deletions import Deletions
from .service.jobs import Jobs
from .service.ledger import Ledger
from .service.slots import FairSlots
from .settings import JobrunnerSettings
from .works import Extraction, Scanning

MEBI = 2**20
CORES = os.cpu_count() or 1


def build(settings: JobrunnerSettings, *, clock: Callable[[], datetime] = utc_now) -> Runtime:
    """The service, ready to run."""
    runtime = make_runtime("jobrunner", settings)
    scratch = settings.work_dir / "scratch"
    pool = WorkerPool(scratch, settings.workers, _limits(settings))
    own = OwnRegistry.of(settings.registry_address, settings.registry_password_file)
    models = OrmbModels(OrmbClient(default_root(), own=own))
    documents = NatsDocuments(runtime.client, JOBS_BUCKET, JobDocument)
    ledger = Ledger(documents, runtime.publisher, runtime.events, clock)
    claims, disk = Claims(ledger), Disk((settings.work_dir, settings.toolchains, Path(gettempdir())))
    results = Results(settings.work_dir / "results", settings.results_mb * MEBI)
    works: dict[JobKind, Work] = {
        JobKind.EXTRACT: Extraction(models, pool),
        JobKind.SCAN: Scanning(models, pool),
        JobKind.CONVERT: _conversions(runtime, settings, models, pool, results),
    }
    jobs = Jobs(
        runner_name(settings.work_dir),
        ledger,
        claims,
        Attempts(ledger, claims, works, scratch),
        disk.lack,
        slots={JobKind.CONVERT: FairSlots(settings.conversions)},
    )
    runtime.serve([build_router(jobs, _policies(runtime))])
    runtime.web.cleanup_ctx.append(_resources(scratch, results, models, pool))
    deletions = Deletions(ledger)
    add_metrics(runtime.metrics, deletions)
    runtime.loops += [_once(jobs, NatsBacklog(runtime.client)), deletions.run]
    runtime.health.add("workers", holds(pool.is_ready, "no worker process is ready yet"))
    runtime.health.add("disk", disk.check)
    return runtime


def _policies(runtime: Runtime) -> Policies:
    models = NatsDocuments(runtime.client, MODELS_BUCKET, ModelDocument)
    projects = NatsDocuments(runtime.client, PROJECTS_BUCKET, ProjectDocument)
    return Policies(models, projects, runtime.publisher, runtime.events)


def _trusted(runtime: Runtime) -> Trusted:
    projects = NatsDocuments(runtime.client, PROJECTS_BUCKET, ProjectDocument)

    async def trusted(project: str) -> tuple[str, ...]:
        stored = await projects.get(escape(project))
        return stored.document.spec.policy.trust if stored else ()

    return trusted


def _limits(settings: JobrunnerSettings) -> WorkerLimits:
    return WorkerLimits(
        memory_mb=settings.worker_memory_mb,
        timeout_seconds=settings.job_timeout_seconds,
        max_jobs=settings.worker_max_jobs,
    )


def _conversions(
    runtime: Runtime, settings: JobrunnerSettings, models: OrmbModels, pool: WorkerPool, results: Results
) -> Conversions:
    limits = Limits(
        cpu_seconds=int(settings.conversion_timeout_seconds * CORES),
        wall_seconds=settings.conversion_timeout_seconds,
        memory_bytes=settings.conversion_memory_mb * MEBI,
    )
    toolchains = ToolchainStore(settings.toolchains, uv=os.environ.get("UV", "uv"))
    confinement = Confinement(find_support(), settings.allow_unsandboxed)
    converter = ToolchainConverter(toolchains, limits, confinement)
    return Conversions(models, pool, converter, results, models, models, _trusted(runtime))


def _resources(
    scratch: Path, results: Results, models: OrmbModels, pool: WorkerPool
) -> Callable[[web.Application], AsyncIterator[None]]:
    """What must be there before the first message comes and until the last one is handled."""

    async def hold(_application: web.Application) -> AsyncIterator[None]:
        await in_thread(shutil.rmtree, scratch, ignore_errors=True)  # what a killed process has left
        await in_thread(results.clean)
        async with models, pool:
            yield

    return hold


def _once(jobs: Jobs, backlog: Backlog) -> Loop:
    """Recovery runs at start; the loop then waits for the end."""

    async def recover() -> None:
        await jobs.recover(backlog)
        await asyncio.Event().wait()

    return recover
