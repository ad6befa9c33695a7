"""What an operator may set for the jobrunner."""

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
    """Models while jobs run, and the names of the jobrunners that use this directory. Several may."""
    workers: Annotated[int, Field(ge=1, le=64)] = 2
    """Processes that parse models, kept warm."""
    job_timeout_seconds: Annotated[float, Field(gt=0)] = 60.0
    """Longest time, and longest processor time, that parsing one model may take."""
    worker_memory_mb: Annotated[int, Field(ge=256)] = 2048
    """Address space of a worker process."""
    worker_max_jobs: Annotated[int, Field(ge=1)] = 500
    """Models after which a worker is replaced by a fresh one."""
    toolchains: Path = Field(default_factory=toolchains_directory)
    """Environments of the converters, made on first use; `KLEVER_TOOLCHAINS` sets it for every command."""
    allow_unsandboxed: bool = Field(default_factory=allow_unsandboxed)
    """Convert models that may run code without a complete sandbox; all services: `KLEVER_ALLOW_UNSANDBOXED`."""
    conversions: Annotated[int, Field(ge=1, le=64)] = 1
    """Conversions that this jobrunner runs at a time. Projects share the slots of all jobrunners fairly."""
    conversion_timeout_seconds: Annotated[float, Field(gt=0)] = 1200.0
    """Longest time that one converter, or one run of a model to check it, may take."""
    conversion_memory_mb: Annotated[int, Field(ge=512)] = 8192
    """Memory of one process of a converter."""
