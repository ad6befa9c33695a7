"""Errors by what to do next: try again, or do not."""

from kleverproto.codes import CONFLICT, INTERNAL, INVALID, NOT_FOUND, TOO_LARGE, UNAVAILABLE


class KleverError(Exception):
    """Base of the services' errors.

    Args:
        message: what happened and what to do, as a sentence for people.
        code: snake_case and stable, for programs.
    """

    default_code = INTERNAL

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code or self.default_code


class TransientError(KleverError):
    """The same work may succeed later: the message is delivered again after a pause."""

    default_code = UNAVAILABLE


class PermanentError(KleverError):
    """The same work will never succeed: the message is dead-lettered."""

    default_code = INVALID


class NotFoundError(PermanentError):
    """The thing named does not exist."""

    default_code = NOT_FOUND


class ConflictError(TransientError):
    """Someone else changed the document first; read it again."""

    default_code = CONFLICT


class TooLargeError(PermanentError):
    """It does not fit into a message of NATS."""

    default_code = TOO_LARGE
