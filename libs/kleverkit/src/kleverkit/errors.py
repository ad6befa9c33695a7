"""Errors by what to do next: try again, or do not."""


class KleverError(Exception):
    """Base of the services' errors.

    Args:
        message: what happened and what to do, as a sentence for people.
        code: snake_case and stable, for programs.
    """

    default_code = "internal"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code or self.default_code


class TransientError(KleverError):
    """The same work may succeed later: the message is delivered again after a pause."""

    default_code = "unavailable"


class PermanentError(KleverError):
    """The same work will never succeed: the message is dead-lettered."""

    default_code = "invalid"


class NotFoundError(PermanentError):
    """The thing named does not exist."""

    default_code = "not_found"


class ConflictError(TransientError):
    """Someone else changed the document first; read it again."""

    default_code = "conflict"


class TooLargeError(PermanentError):
    """It does not fit into a message of NATS."""

    default_code = "too_large"
