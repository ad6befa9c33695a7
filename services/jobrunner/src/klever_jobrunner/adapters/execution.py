"""Creates the worker pool and the converter from the settings, for the service and for the command."""

import os
from pathlib import Path

from klever_jobrunner.settings import JobrunnerSettings
from kleversandbox.support import Confinement, find_support
from modelconversion.execution import Limits
from modelconversion.toolchains.store import ToolchainStore

from .toolchain_converter import ToolchainConverter
from .worker_pool import WorkerPool
from .worker_process import WorkerLimits

MEBI = 2**20
CORES = os.cpu_count() or 1


def worker_pool(settings: JobrunnerSettings, models: Path, workers: int, *, starts: int | None = None) -> WorkerPool:
    """Create a pool of worker processes that may read models below a directory; it must be entered.

    Args:
        settings: with the limits of each process.
        models: the directory.
        workers: number of processes.
        starts: number of failed starts after which jobs fail; None to try forever.
    """
    limits = WorkerLimits(
        memory_mb=settings.worker_memory_mb,
        timeout_seconds=settings.job_timeout_seconds,
        max_jobs=settings.worker_max_jobs,
    )
    return WorkerPool(models, workers, limits, starts=starts)


def toolchain_converter(settings: JobrunnerSettings) -> ToolchainConverter:
    """Create the converter with the limits of its programs."""
    limits = Limits(
        cpu_seconds=int(settings.conversion_timeout_seconds * CORES),
        wall_seconds=settings.conversion_timeout_seconds,
        memory_bytes=settings.conversion_memory_mb * MEBI,
    )
    toolchains = ToolchainStore(settings.toolchains, uv=os.environ.get("UV", "uv"))
    return ToolchainConverter(toolchains, limits, Confinement(find_support(), settings.allow_unsandboxed))
