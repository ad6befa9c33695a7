"""Why a job fails."""

from kleverkit.errors import PermanentError
from kleverproto.documents import Problem
from kleverproto.jobs import JobResult


class JobError(PermanentError):
    """The job cannot succeed; `code` is one of the stable codes below.

    Args:
        message: what went wrong and what to do.
        code: for programs.
        result: what was found out before.
    """

    def __init__(self, message: str, *, code: str, result: JobResult | None = None) -> None:
        super().__init__(message, code=code)
        self.result = result

    @property
    def problem(self) -> Problem:
        """As it is written into the document."""
        return Problem(code=self.code, message=str(self))


MODEL_NOT_FOUND = "model_not_found"
PULL_FAILED = "pull_failed"
INVALID_MODEL = "invalid_model"
UNSUPPORTED_FORMAT = "unsupported_format"
UNSUPPORTED_KIND = "unsupported_kind"
SIGNATURE_TOO_LARGE = "signature_too_large"
OUT_OF_MEMORY = "out_of_memory"
TIMED_OUT = "timed_out"
WORKER_DIED = "worker_died"
PUSH_FAILED = "push_failed"
DISK_FULL = "disk_full"
INTERNAL = "internal"
TOOLCHAIN_FAILED = "toolchain_failed"
UNSUPPORTED_CONVERSION = "unsupported_conversion"
UNSUPPORTED_OPERATOR = "unsupported_operator"
INPUT_SHAPE_NEEDED = "input_shape_needed"
VERIFICATION_FAILED = "verification_failed"
NOT_VERIFIED = "not_verified"
INVALID_SAMPLES = "invalid_samples"

OF_THE_BYTES = frozenset(
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
"""What the model's bytes alone decide: the same bytes again would fail again."""
