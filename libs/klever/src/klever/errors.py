"""Errors of the SDK and the CLI. Each message says what happened and what to do."""


class KleverError(Exception):
    """Base of this library's errors."""


class ApiError(KleverError):
    """The gateway rejected a request.

    Attributes:
        status: HTTP status.
        code: the problem's stable code, such as `not_found`.
    """

    def __init__(self, message: str, *, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class UnreachableError(KleverError):
    """The platform does not respond."""


class FailedError(KleverError):
    """The awaited operation has failed."""


class InputError(KleverError):
    """The input values do not form a valid request."""


class AccountsError(KleverError):
    """The accounts of the registry cannot be read, or a change is invalid."""


class PlatformError(KleverError):
    """The platform on this machine cannot be started or stopped."""
