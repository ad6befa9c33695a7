"""The jobrunner's settings."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from kleverkit.directories import home_directory, toolchains_directory
from kleverkit.settings import PullingServiceSettings, allow_unsandboxed
from kleverkube.settings import ClusterSettings
from kleverproto.references import DNS_LABEL_PATTERN


class JobrunnerSettings(ClusterSettings, PullingServiceSettings):
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

    backend: Literal["local", "kubernetes"] = "local"
    """Backend for conversions: `local` programs of this machine, or `kubernetes` Jobs of a cluster."""
    extract: Literal["pool", "job"] = "pool"
    """Backend for parsing and scanning: a `pool` of worker processes, or with `kubernetes` a `job` for each model."""
    cluster_namespace: Annotated[str, Field(pattern=DNS_LABEL_PATTERN)] = "klever"
    """Namespace of the Jobs. It must exist."""
    cluster_cpu: str = "1"
    """Cores of a pod: request and limit, as a Kubernetes quantity."""
    cluster_memory: str = "9Gi"
    """Memory of a pod: request and limit, as a Kubernetes quantity."""
    cluster_deadline_seconds: Annotated[int, Field(ge=1)] = 7200
    """Time limit of a Job, including the time in which it waits for a node and pulls images."""
    cluster_start_seconds: Annotated[float, Field(gt=0)] = 600.0
    """Time after which a pod that cannot start, such as for want of a node or an image, is a failure."""
    cluster_keep_seconds: Annotated[int, Field(ge=60)] = 3600
    """Time for which the cluster keeps a finished Job with its log."""

    @model_validator(mode="after")
    def _extracts_where_it_runs(self) -> Self:
        if self.extract == "job" and self.backend == "local":
            raise ValueError("extract: job requires the backend kubernetes. Set KLEVER_JOBRUNNER_BACKEND=kubernetes")
        return self
