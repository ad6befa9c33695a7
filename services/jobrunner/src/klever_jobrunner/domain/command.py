"""The contract of the command that runs one job: its request, its outcome, and its exit codes."""

from enum import IntEnum

from kleverproto.base import StrictWireModel, WireModel
from kleverproto.documents import Problem
from kleverproto.jobs import JobResult, JobSpec
from kleverproto.scans import TrustedName

REQUEST_BYTES = 1024 * 1024
"""A request, with the samples that it holds, is no larger than a message of NATS."""


class ExitCode(IntEnum):
    """How the command exits. A signal that ends it has the code 128 plus its number, as usual."""

    DONE = 0
    """The job succeeded."""
    BAD_REQUEST = 2
    """The arguments or the request cannot be understood; nothing was done."""
    FAILED = 10
    """The job failed for a reason that another attempt would meet again, such as a damaged model."""
    INTERNAL = 70
    """An error of the command itself (EX_SOFTWARE)."""
    TEMPORARY = 75
    """Another attempt may succeed: the registry does not answer, or the disk is full (EX_TEMPFAIL)."""


class RunRequest(StrictWireModel):
    """One job, as JSON."""

    spec: JobSpec
    trust: tuple[TrustedName, ...] = ()
    """Classes and functions beside the known ones, as module:Name, that the model's pickles may name."""


class RunOutcome(WireModel):
    """What came of the job, as JSON."""

    result: JobResult | None = None
    """Also of a job that failed, where something was found out before."""
    problem: Problem | None = None
    """Why it failed."""
