"""Errors of this library. Each message says what happened and what to do."""


class OrmbError(Exception):
    """Base of all errors of this library.

    Attributes:
        transient: whether the same call may succeed later.
    """

    transient = False


class InvalidReferenceError(OrmbError):
    """The text does not name an artifact in a registry."""


class InvalidModelDirectoryError(OrmbError):
    """The directory does not have the structure of a model directory."""


class InvalidModelFileError(OrmbError):
    """ormbfile.yaml cannot be read."""


class NotFoundError(OrmbError):
    """The artifact is not in the registry, or not in the local store."""


class AuthenticationError(OrmbError):
    """The registry requires credentials, or rejects those that were sent."""


class RegistryError(OrmbError):
    """The registry responded with an error.

    Args:
        message: for people.
        status: the HTTP status of the response, if there was one.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ThrottledError(RegistryError):
    """The registry throttles requests for longer than a request waits."""

    transient = True


class ForeignHostError(RegistryError):
    """The registry redirects to another host, which must not receive the credentials."""


class RegistryUnavailableError(OrmbError):
    """The registry does not respond."""

    transient = True


class ProxyError(OrmbError):
    """The proxy that the environment configures cannot be used."""


class DamagedStoreError(OrmbError):
    """The index of the local store cannot be read."""


class StoreInUseError(OrmbError):
    """Another command uses the local store."""

    transient = True


class NoSpaceError(OrmbError):
    """The disk is full or read-only."""

    transient = True


class DigestMismatchError(OrmbError):
    """Content does not match its digest."""


class UnsupportedArtifactError(OrmbError):
    """The artifact is not a model, or has a layout that this version does not support."""


class UnsafePathError(OrmbError):
    """An artifact names a file outside the directory it is exported to."""


class DestinationError(OrmbError):
    """The destination of an export contains something else."""
