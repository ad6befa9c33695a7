"""Jobs: the document and its events. Owner: jobrunner."""

from datetime import datetime
from enum import StrEnum
from typing import Self, TypedDict, Unpack

from .base import WireModel
from .conversions import Conversion, ConvertedModel
from .documents import Document, Intent, Problem
from .references import Digest, DnsLabel, ModelRef
from .scans import Scan
from .signatures import Signature


class JobKind(StrEnum):
    """Kinds of jobs."""

    EXTRACT = "extract"
    """Determine inputs, outputs and operators."""
    SCAN = "scan"
    """Search for code that loading the model would run."""
    CONVERT = "convert"
    """Create a version in another format."""


class JobPhase(StrEnum):
    """Phases of a job."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"

    @property
    def is_final(self) -> bool:
        """True if the job has finished."""
        return self in {JobPhase.SUCCEEDED, JobPhase.FAILED, JobPhase.CANCELLED}


class JobSpec(WireModel):
    """The work of a job, and its model."""

    kind: JobKind
    namespace: DnsLabel = "default"
    ref: ModelRef
    digest: Digest
    registry: str
    """host:port from which the model can be pulled."""
    format: str | None = None
    conversion: Conversion | None = None
    """The conversion of a `convert` job."""

    def for_ref(self, ref: ModelRef) -> Self:
        """Return a copy for another name of the same bytes."""
        return self.model_copy(update={"ref": ref})


class JobResult(WireModel):
    """The result of a job."""

    signature: Signature | None = None
    scan: Scan | None = None
    converted: ConvertedModel | None = None


class JobStatusChanges(TypedDict, total=False):
    """Fields of JobStatus that can be replaced."""

    phase: JobPhase
    attempts: int
    started_at: datetime | None
    finished_at: datetime | None
    result: JobResult | None
    problem: Problem | None
    runner: str
    intent: Intent | None
    push: Intent | None


class JobStatus(WireModel):
    """The observed state of a job."""

    phase: JobPhase = JobPhase.PENDING
    attempts: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    result: JobResult | None = None
    """The result; of a failed job, the part that it determined before it failed."""
    problem: Problem | None = None
    """The reason of the failure. For a Pending job: the failure of its last attempt, or why it cannot start now."""
    runner: str = ""
    """The jobrunner that runs or last ran the job. It updates the document every few seconds while the job runs."""
    intent: Intent | None = None
    """The newest request about the job in the stream KLEVER_JOBS. Requests with a lower sequence are late."""
    push: Intent | None = None
    """The newest push that requested the job. Its sequence is that of KLEVER_MODELS, not comparable with `intent`."""

    def replace(self, **changes: Unpack[JobStatusChanges]) -> Self:
        """Return a copy with other values for some fields."""
        return self.model_copy(update=changes)


class JobDocument(Document[JobSpec, JobStatus]):
    """A job, bucket `klever-jobs`, keyed by its id."""

    id: str


class JobRequested(WireModel):
    """A request for a job. Requests with the same id are one job. Published on `klever.job.requested.<kind>.<id>`."""

    id: str
    spec: JobSpec
    again: bool = False
    """Run the job again even if it failed because of the model, such as an unknown operator."""


class JobCancelRequested(WireModel):
    """A request to cancel the job, whether or not its own request has been handled."""

    id: str
    spec: JobSpec | None = None
    """The work, so that a job whose request has not been handled is recorded as cancelled."""


class JobDeleteRequested(WireModel):
    """A request to delete the job. A running job is stopped first."""

    id: str
    spec: JobSpec | None = None
    """The work, so that the deletion of a job whose request has not been handled can be announced."""


class JobStarted(WireModel):
    """A worker has started the job."""

    id: str
    spec: JobSpec


class JobCompleted(WireModel):
    """The job succeeded."""

    id: str
    spec: JobSpec
    result: JobResult


class JobFailed(WireModel):
    """The job failed permanently."""

    id: str
    spec: JobSpec
    problem: Problem
    result: JobResult | None = None
    """The part of the result that was determined before the failure."""


class JobCancelled(WireModel):
    """The job was cancelled."""

    id: str
    spec: JobSpec


class JobDeleted(WireModel):
    """The job is deleted. Its results are kept."""

    id: str
    spec: JobSpec


class JobLogged(WireModel):
    """Lines that the tools of a job wrote."""

    id: str
    lines: tuple[str, ...]
