"""What can go wrong with a model artifact. Each message says what happened and what to do."""


class OrmbError(Exception):
    """Base of all errors of this library.

    Attributes:
        transient: whether the same call may succeed later.
    """

    transient = False


class InvalidReferenceError(OrmbError):
    """The text does not name an artifact in a registry."""


class InvalidModelDirectoryError(OrmbError):
    """The directory is not laid out as a model."""


class InvalidModelFileError(OrmbError):
    """ormbfile.yaml cannot be read."""


class NotFoundError(OrmbError):
    """The registry, or the local store, does not have it."""


class AuthenticationError(OrmbError):
    """The registry wants credentials, or refuses those it got."""


class RegistryError(OrmbError):
    """The registry answered with an error.

    Args:
        message: for people.
        status: of the HTTP answer, where there was one.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ThrottledError(RegistryError):
    """The registry takes no more requests for longer than a request waits."""

    transient = True


class ForeignHostError(RegistryError):
    """The registry sends the client on to another host, which must not get the credentials."""


class RegistryUnavailableError(OrmbError):
    """The registry does not answer."""

    transient = True


class ProxyError(OrmbError):
    """The proxy that the environment names cannot be used."""


class DamagedStoreError(OrmbError):
    """The local store's index cannot be read."""


class StoreInUseError(OrmbError):
    """Another command is at work in the local store."""

    transient = True


class NoSpaceError(OrmbError):
    """The disk is full or read-only."""

    transient = True


class DigestMismatchError(OrmbError):
    """Bytes are not what their digest says."""


class UnsupportedArtifactError(OrmbError):
    """The artifact is not a model, or a layout that this version does not read."""


class UnsafePathError(OrmbError):
    """An artifact names a file outside the directory it is exported to."""


class DestinationError(OrmbError):
    """The place to export to holds something else."""
