"""The description of a job that runs on a cluster, and what an operator decides about all of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kleverproto.variants import Gpu

from .options import ClusterOptions


@dataclass(frozen=True)
class JobOptions:
    """Settings that all jobs of a platform share."""

    cluster: ClusterOptions
    namespace: str
    """Namespace of the Jobs."""
    cpu: str = "1"
    """Cores of a pod, as a Kubernetes quantity; requested, and the limit."""
    memory: str = "8Gi"
    """Memory of a pod, as a Kubernetes quantity; requested, and the limit."""
    deadline_seconds: int = 7200
    """Time for a whole Job, waiting for a node and pulling images included."""
    keep_seconds: int = 3600
    """Time after which the cluster deletes a Job that has finished and that no jobrunner has deleted."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Settings of the command that runs the job (`KLEVER_JOBRUNNER_…`)."""


@dataclass(frozen=True)
class ModelJob:
    """A job, for one generation of its document: all attempts of a generation are one object of the cluster."""

    id: str
    generation: int
    project: str
    registry: str
    """host:port of the registry, as in documents."""
    model: str
    """The artifact in the registry: `project/model@digest`."""
    request: str
    """The request of the command `klever_jobrunner.run` as JSON; its registry is the address by which pods reach it."""
    publishes: bool
    """True if the job makes a model, which is pushed to the registry."""
    samples: str | None = None
    """The artifact in the registry with the samples for the verification."""
    gpu: Gpu | None = None
