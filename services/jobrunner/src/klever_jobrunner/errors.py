"""Errors of jobs."""

from kleverkit.errors import PermanentError
from kleverproto.codes import (
    DISK_FULL,
    INPUT_SHAPE_NEEDED,
    INTERNAL,
    INVALID_MODEL,
    INVALID_SAMPLES,
    MODEL_NOT_FOUND,
    NOT_STARTED,
    NOT_VERIFIED,
    OUT_OF_MEMORY,
    PULL_FAILED,
    PUSH_FAILED,
    SIGNATURE_TOO_LARGE,
    TIMED_OUT,
    TOOLCHAIN_FAILED,
    UNSUPPORTED_CONVERSION,
    UNSUPPORTED_FORMAT,
    UNSUPPORTED_HERE,
    UNSUPPORTED_KIND,
    UNSUPPORTED_OPERATOR,
    VERIFICATION_FAILED,
    WORKER_DIED,
)
from kleverproto.documents import Problem
from kleverproto.jobs import JobResult


class JobError(PermanentError):
    """The job cannot succeed; `code` is one of the stable codes below.

    Args:
        message: what failed and what to do.
        code: the stable code.
        result: the partial result.
    """

    def __init__(self, message: str, *, code: str, result: JobResult | None = None) -> None:
        super().__init__(message, code=code)
        self.result = result

    @property
    def problem(self) -> Problem:
        """The error in the form that the document records."""
        return Problem(code=self.code, message=str(self))


DECIDED_BY_THE_MODEL = frozenset(
    {
        *(INVALID_MODEL, UNSUPPORTED_FORMAT, SIGNATURE_TOO_LARGE),
        *(
            UNSUPPORTED_CONVERSION,
            UNSUPPORTED_OPERATOR,
            INPUT_SHAPE_NEEDED,
            VERIFICATION_FAILED,
            NOT_VERIFIED,
            INVALID_SAMPLES,
        ),
    }
)
"""Failures that the model itself causes: a retry with the same model fails in the same way."""

__all__ = [
    "DECIDED_BY_THE_MODEL",
    "DISK_FULL",
    "INPUT_SHAPE_NEEDED",
    "INTERNAL",
    "INVALID_MODEL",
    "INVALID_SAMPLES",
    "MODEL_NOT_FOUND",
    "NOT_STARTED",
    "NOT_VERIFIED",
    "OUT_OF_MEMORY",
    "PULL_FAILED",
    "PUSH_FAILED",
    "SIGNATURE_TOO_LARGE",
    "TIMED_OUT",
    "TOOLCHAIN_FAILED",
    "UNSUPPORTED_CONVERSION",
    "UNSUPPORTED_FORMAT",
    "UNSUPPORTED_HERE",
    "UNSUPPORTED_KIND",
    "UNSUPPORTED_OPERATOR",
    "VERIFICATION_FAILED",
    "WORKER_DIED",
    "JobError",
]
