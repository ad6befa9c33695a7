"""The jobrunner, put together."""

import asyncio
import shutil
from collections.abc import Callable
from datetime import datetime

from kleverkit.nats_documents import NatsDocuments
from kleverkit.service import Loop, Runtime, make_runtime
from kleverproto.envelope import utc_now
from kleverproto.jobs import JobDocument
from kleverproto.streams import JOBS_BUCKET

from .adapters.local import PoolOptions, WorkerPool
from .adapters.ormb_models import OrmbModelSource
from .handlers import build_router
from .service import Jobs, Ledger
from .settings import JobrunnerSettings


def build(settings: JobrunnerSettings, *, clock: Callable[[], datetime] = utc_now) -> Runtime:
    """The service, ready to run."""
    runtime = make_runtime("jobrunner", settings)
    scratch = settings.work_dir / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)  # what a killed process left
    pool = WorkerPool(
        PoolOptions(
            workers=settings.workers,
            memory_mb=settings.worker_memory_mb,
            timeout_seconds=settings.job_timeout_seconds,
            max_jobs=settings.worker_max_jobs,
        )
    )
    source = OrmbModelSource(settings.work_dir / "ormb")
    documents = NatsDocuments(runtime.client, JOBS_BUCKET, JobDocument)
    ledger = Ledger(documents, runtime.publisher, runtime.events, clock)
    jobs = Jobs(ledger, source, pool, scratch)
    runtime.serve([build_router(jobs)])
    runtime.loops += [pool.run, source.run, _once(jobs)]
    runtime.health.add("workers", pool.is_ready)
    return runtime


def _once(jobs: Jobs) -> Loop:
    """Recovery runs at start; the loop then waits for the end."""

    async def recover() -> None:
        await jobs.recover()
        await asyncio.Event().wait()

    return recover
