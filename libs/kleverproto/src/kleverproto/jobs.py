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
    """What a job does."""

    EXTRACT = "extract"
    """Find out inputs, outputs and operators."""
    SCAN = "scan"
    """Look for code that loading the model would run."""
    CONVERT = "convert"
    """Make a new version of another format."""


class JobPhase(StrEnum):
    """Where a job is in its life."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen."""
        return self in {JobPhase.SUCCEEDED, JobPhase.FAILED, JobPhase.CANCELLED}


class JobSpec(WireModel):
    """What is to be done, to which bytes."""

    kind: JobKind
    namespace: DnsLabel = "default"
    ref: ModelRef
    digest: Digest
    registry: str
    """host:port from which the model can be pulled."""
    format: str | None = None
    conversion: Conversion | None = None
    """What a `convert` job is to make."""

    def for_ref(self, ref: ModelRef) -> Self:
        """The same work, for another name of the same bytes."""
        return self.model_copy(update={"ref": ref})


class JobResult(WireModel):
    """What a job found out or made."""

    signature: Signature | None = None
    scan: Scan | None = None
    converted: ConvertedModel | None = None


class JobStatusChanges(TypedDict, total=False):
    """What may be replaced in a JobStatus."""

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
    """Where the job is and what came of it."""

    phase: JobPhase = JobPhase.PENDING
    attempts: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    result: JobResult | None = None
    """Also of a job that failed, where it found something out before."""
    problem: Problem | None = None
    """Why it failed; of a job that is Pending, why its last attempt ended or why it cannot begin now."""
    runner: str = ""
    """The jobrunner that works on it, or was the last to; while it works it writes the document every few seconds."""
    intent: Intent | None = None
    """The newest request of the stream KLEVER_JOBS about it: one that comes later with a lower sequence is late."""
    push: Intent | None = None
    """The newest push that asked for it. Its sequence is one of KLEVER_MODELS, and says nothing beside `intent`."""

    def replace(self, **changes: Unpack[JobStatusChanges]) -> Self:
        """The same status with other values for some fields."""
        return self.model_copy(update=changes)


class JobDocument(Document[JobSpec, JobStatus]):
    """A job, bucket `klever-jobs`, keyed by its id."""

    id: str


class JobRequested(WireModel):
    """Someone wants this done. The same id twice is one job. Published on `klever.job.requested.<kind>.<id>`."""

    id: str
    spec: JobSpec
    again: bool = False
    """Do it again even if the last try ended for a reason that lies in the model, such as an unknown operator."""


class JobCancelRequested(WireModel):
    """Someone wants the job stopped; also where the request for it has not been handled yet."""

    id: str
    spec: JobSpec | None = None
    """What was to be done, so that the job can be recorded as cancelled where nobody has heard of it yet."""


class JobDeleteRequested(WireModel):
    """Someone wants the job forgotten; one that runs is stopped first."""

    id: str
    spec: JobSpec | None = None
    """What was to be done, so that the deletion can be announced where nobody has heard of the job yet."""


class JobStarted(WireModel):
    """A worker has begun."""

    id: str
    spec: JobSpec


class JobCompleted(WireModel):
    """The job succeeded."""

    id: str
    spec: JobSpec
    result: JobResult


class JobFailed(WireModel):
    """The job failed for good."""

    id: str
    spec: JobSpec
    problem: Problem
    result: JobResult | None = None
    """What was found out before it failed."""


class JobCancelled(WireModel):
    """The job was stopped before its end."""

    id: str
    spec: JobSpec


class JobDeleted(WireModel):
    """The job is forgotten; what it made stays."""

    id: str
    spec: JobSpec


class JobLogged(WireModel):
    """The tools of a job have written lines."""

    id: str
    lines: tuple[str, ...]
