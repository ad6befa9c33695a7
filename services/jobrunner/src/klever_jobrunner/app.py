"""The jobrunner, put together."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path

from aiohttp import web

from kleverkit.nats_documents import NatsDocuments
from kleverkit.service import Loop, Runtime, make_runtime
from kleverproto.envelope import utc_now
from kleverproto.jobs import JobDocument, JobKind
from kleverproto.streams import JOBS_BUCKET
from ormb.layout import default_root

from .adapters.local import WorkerPool
from .adapters.nats_backlog import NatsBacklog
from .adapters.ormb_models import OrmbModels
from .adapters.worker_process import WorkerLimits
from .handlers import build_router
from .ports import Backlog
from .service import Jobs, Ledger
from .settings import JobrunnerSettings
from .works import Extraction


def build(settings: JobrunnerSettings, *, clock: Callable[[], datetime] = utc_now) -> Runtime:
    """The service, ready to run."""
    runtime = make_runtime("jobrunner", settings)
    scratch = settings.work_dir / "scratch"
    pool = WorkerPool(settings.workers, _limits(settings))
    source = OrmbModels(default_root())
    documents = NatsDocuments(runtime.client, JOBS_BUCKET, JobDocument)
    ledger = Ledger(documents, runtime.publisher, runtime.events, clock)
    jobs = Jobs(ledger, {JobKind.EXTRACT: Extraction(source, pool)}, scratch)
    runtime.serve([build_router(jobs)])
    runtime.web.cleanup_ctx.append(_resources(scratch, source, pool))
    runtime.loops.append(_once(jobs, NatsBacklog(runtime.client)))
    runtime.health.add("workers", pool.is_ready)
    return runtime


def _limits(settings: JobrunnerSettings) -> WorkerLimits:
    return WorkerLimits(
        memory_mb=settings.worker_memory_mb,
        timeout_seconds=settings.job_timeout_seconds,
        max_jobs=settings.worker_max_jobs,
    )


def _resources(scratch: Path, source: OrmbModels, pool: WorkerPool) -> Callable[[web.Application], AsyncIterator[None]]:
    """What must be there before the first message comes and until the last one is handled."""

    async def hold(_application: web.Application) -> AsyncIterator[None]:
        await asyncio.to_thread(_empty, scratch)
        async with source, pool:
            yield

    return hold


def _empty(scratch: Path) -> None:
    """Remove what a killed process left."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)


def _once(jobs: Jobs, backlog: Backlog) -> Loop:
    """Recovery runs at start; the loop then waits for the end."""

    async def recover() -> None:
        await jobs.recover(backlog)
        await asyncio.Event().wait()

    return recover
