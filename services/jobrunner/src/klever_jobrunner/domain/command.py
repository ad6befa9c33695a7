"""The contract of the command that runs one job: its request, its outcome, and its exit codes."""

from enum import IntEnum

from kleverproto.base import StrictWireModel, WireModel
from kleverproto.documents import Problem
from kleverproto.jobs import JobResult, JobSpec
from kleverproto.scans import TrustedName

REQUEST_BYTES = 1024 * 1024
"""Limit of a request, including its samples; the same as for a NATS message."""


class ExitCode(IntEnum):
    """Exit codes of the command. If a signal ends it, the code is 128 plus the number of the signal, as usual."""

    DONE = 0
    """The job succeeded."""
    BAD_REQUEST = 2
    """The arguments or the request are not valid; the job was not run."""
    FAILED = 10
    """The job failed for a permanent reason, such as a damaged model."""
    INTERNAL = 70
    """An error of the command itself (EX_SOFTWARE)."""
    TEMPORARY = 75
    """A retry may succeed: the registry does not respond, or the disk is full (EX_TEMPFAIL)."""


class RunRequest(StrictWireModel):
    """One job, as JSON."""

    spec: JobSpec
    trust: tuple[TrustedName, ...] = ()
    """Classes and functions that the model's pickles may refer to besides the known ones, as module:Name."""


class RunOutcome(WireModel):
    """The outcome of the job, as JSON."""

    result: JobResult | None = None
    """The result; for a failed job, its partial result if there is one."""
    problem: Problem | None = None
    """The reason of the failure."""
