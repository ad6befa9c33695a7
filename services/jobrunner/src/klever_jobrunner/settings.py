"""The jobrunner's settings."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from kleverkit.directories import home_directory, toolchains_directory
from kleverkit.settings import PullingServiceSettings, allow_unsandboxed


class JobrunnerSettings(PullingServiceSettings):
    """Environment variables `KLEVER_JOBRUNNER_…`."""

    model_config = SettingsConfigDict(env_prefix="KLEVER_JOBRUNNER_", extra="ignore", use_attribute_docstrings=True)

    work_dir: Path = Field(default_factory=lambda: home_directory() / "jobrunner")
    """Models while jobs run, and the names of the jobrunners that use this directory; several can share it."""
    workers: Annotated[int, Field(ge=1, le=64)] = 2
    """Number of warm processes that parse models."""
    job_timeout_seconds: Annotated[float, Field(gt=0)] = 60.0
    """Limit of time, and of CPU time, for parsing one model."""
    worker_memory_mb: Annotated[int, Field(ge=256)] = 2048
    """Limit of the address space of a worker process."""
    worker_max_jobs: Annotated[int, Field(ge=1)] = 500
    """Number of models after which a worker is replaced."""
    toolchains: Path = Field(default_factory=toolchains_directory)
    """Environments of the converters, created on first use; `KLEVER_TOOLCHAINS` sets it for every command."""
    allow_unsandboxed: bool = Field(default_factory=allow_unsandboxed)
    """Convert models that may run code without a complete sandbox; `KLEVER_ALLOW_UNSANDBOXED` sets it everywhere."""
    conversions: Annotated[int, Field(ge=1, le=64)] = 1
    """Number of conversions that this jobrunner runs at a time. Projects share the slots of all jobrunners fairly."""
    conversion_timeout_seconds: Annotated[float, Field(gt=0)] = 1200.0
    """Time limit for one converter, or for one run of a model during its verification."""
    conversion_memory_mb: Annotated[int, Field(ge=512)] = 8192
    """Memory limit of one process of a converter."""
