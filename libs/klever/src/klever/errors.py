"""What the SDK and the CLI raise. Each message says what happened and what to do."""


class KleverError(Exception):
    """Base of this library's errors."""


class ApiError(KleverError):
    """The gateway refused a request.

    Attributes:
        status: HTTP status.
        code: the problem's stable code, such as `not_found`.
    """

    def __init__(self, message: str, *, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class UnreachableError(KleverError):
    """The platform does not answer."""


class FailedError(KleverError):
    """What was waited for has failed."""


class InputError(KleverError):
    """Input values do not make a request."""


class AccountsError(KleverError):
    """The accounts of the registry cannot be read, or cannot be what they are told to be."""


class PlatformError(KleverError):
    """The platform on this machine cannot be started or stopped."""
