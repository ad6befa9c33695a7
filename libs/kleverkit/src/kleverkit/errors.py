"""The base errors of the services: transient errors are retried, permanent ones are not."""

from kleverproto.codes import CONFLICT, INTERNAL, INVALID, NOT_FOUND, TOO_LARGE, UNAVAILABLE


class KleverError(Exception):
    """Base of the services' errors.

    Args:
        message: what happened and what to do, as a sentence for people.
        code: a stable code in snake_case, for programs.
    """

    default_code = INTERNAL

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code or self.default_code


class TransientError(KleverError):
    """The operation may succeed later: the message is redelivered after a pause."""

    default_code = UNAVAILABLE


class PermanentError(KleverError):
    """The operation cannot succeed: the message is dead-lettered."""

    default_code = INVALID


class NotFoundError(PermanentError):
    """The named object does not exist."""

    default_code = NOT_FOUND


class ConflictError(TransientError):
    """Another writer has changed the document; read it again."""

    default_code = CONFLICT


class TooLargeError(PermanentError):
    """The data does not fit into a NATS message."""

    default_code = TOO_LARGE
