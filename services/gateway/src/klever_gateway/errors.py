"""Errors of requests, each with the code that clients see."""

from dataclasses import dataclass

from kleverkit.errors import NotFoundError, PermanentError
from kleverproto.codes import (
    ALREADY_EXISTS,
    COMMANDS_NOT_ALLOWED,
    GENERATION_MISMATCH,
    INVALID,
    JOB_FINISHED,
    JOB_NOT_RETRIABLE,
    LOGIN_LINK_NOT_VALID,
    MALFORMED_JSON,
    MODEL_SERVED,
    NO_ROLLOUT,
    OTHER_REGISTRY,
    REFUSED_BY_PROXY,
    UNAUTHORIZED,
    UNSUPPORTED_HERE,
    UNSUPPORTED_MEDIA_TYPE,
)
from kleverproto.documents import Problem


@dataclass(frozen=True)
class FieldError:
    """A problem with one field of a request."""

    field: str
    """Path of the field, such as `spec.variants.0.model`."""
    message: str
    """The problem and its remedy."""


class InvalidRequestError(PermanentError):
    """The request is well-formed but cannot be accepted; `errors` lists the problems by field."""

    def __init__(self, message: str, *, errors: tuple[FieldError, ...] = (), code: str = INVALID) -> None:
        super().__init__(message, code=code)
        self.errors = errors


class UnauthorizedError(PermanentError):
    """The request has no valid token or session."""

    default_code = UNAUTHORIZED


class LoginLinkError(PermanentError):
    """The login link has expired or was used."""

    default_code = LOGIN_LINK_NOT_VALID


class MalformedRequestError(PermanentError):
    """The body is not JSON."""

    default_code = MALFORMED_JSON


class UnsupportedMediaTypeError(PermanentError):
    """The body is not declared as JSON."""

    default_code = UNSUPPORTED_MEDIA_TYPE


class AlreadyExistsError(PermanentError):
    """The name is in use."""

    default_code = ALREADY_EXISTS


class JobFinishedError(PermanentError):
    """The job has finished and cannot be cancelled."""

    default_code = JOB_FINISHED


class JobNotRetriableError(PermanentError):
    """The job cannot be retried."""

    default_code = JOB_NOT_RETRIABLE


class ModelServedError(PermanentError):
    """The version to be deleted is served."""

    default_code = MODEL_SERVED


class OtherRegistryError(PermanentError):
    """The version to be deleted is stored in another registry."""

    default_code = OTHER_REGISTRY


class NoRolloutError(PermanentError):
    """The serving has no rollout in progress."""

    default_code = NO_ROLLOUT


class GenerationMismatchError(PermanentError):
    """The document is not at the generation that the client requires."""

    default_code = GENERATION_MISMATCH


REJECTIONS: dict[str, type[PermanentError]] = {
    ALREADY_EXISTS: AlreadyExistsError,
    GENERATION_MISMATCH: GenerationMismatchError,
    NO_ROLLOUT: NoRolloutError,
}

NOT_SERVED = frozenset({COMMANDS_NOT_ALLOWED, REFUSED_BY_PROXY, UNSUPPORTED_HERE})
"""Codes of servings that the deployer cannot run."""


def rejection_error(problem: Problem) -> PermanentError:
    """Return the error for a request that the deployer rejects: its precondition is not met, or it cannot be served."""
    if (rejection := REJECTIONS.get(problem.code)) is not None:
        return rejection(problem.message)
    return InvalidRequestError(problem.message, code=problem.code if problem.code in NOT_SERVED else INVALID)


__all__ = [
    "AlreadyExistsError",
    "FieldError",
    "GenerationMismatchError",
    "InvalidRequestError",
    "JobFinishedError",
    "JobNotRetriableError",
    "LoginLinkError",
    "MalformedRequestError",
    "ModelServedError",
    "NoRolloutError",
    "NotFoundError",
    "OtherRegistryError",
    "UnauthorizedError",
    "UnsupportedMediaTypeError",
    "rejection_error",
]
