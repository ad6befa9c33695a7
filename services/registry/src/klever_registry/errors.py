"""Errors of the distribution API: each has the code and the HTTP status that the OCI specification gives it."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from kleverkit.errors import PermanentError, TransientError
from kleverproto.codes import STORAGE, UNKNOWN_PAYLOAD, USAGE_UNKNOWN, WRONG_SECRET

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class DistributionError(PermanentError):
    """A request that the registry refuses.

    Args:
        message: what happened and what to do.
        detail: data for programs, put into the error's `detail`.
        headers: response headers that go with the refusal.
    """

    default_code = "unsupported"
    oci_code: ClassVar[str] = "UNSUPPORTED"
    status: ClassVar[int] = 400

    def __init__(
        self, message: str, *, detail: Mapping[str, Any] | None = None, headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        super().__init__(message, code=self.oci_code.lower())
        self.detail = dict(detail or {})
        self.headers = dict(headers)


class NameInvalidError(DistributionError):
    """The repository's name breaks the rules."""

    oci_code = "NAME_INVALID"


class NameUnknownError(DistributionError):
    """The registry has no such repository."""

    oci_code = "NAME_UNKNOWN"
    status = 404


class DigestInvalidError(DistributionError):
    """A digest cannot be read, or the bytes are not what it says."""

    oci_code = "DIGEST_INVALID"


class SizeInvalidError(DistributionError):
    """More or fewer bytes came than were announced or are allowed."""

    oci_code = "SIZE_INVALID"


class TooLargeError(SizeInvalidError):
    """A manifest or a blob is larger than this registry takes."""

    status = 413


class BlobUnknownError(DistributionError):
    """The repository has no such blob."""

    oci_code = "BLOB_UNKNOWN"
    status = 404


class UploadUnknownError(DistributionError):
    """There is no such upload: it ended, was given up, or never began."""

    oci_code = "BLOB_UPLOAD_UNKNOWN"
    status = 404


class UploadInvalidError(DistributionError):
    """A chunk cannot be read."""

    oci_code = "BLOB_UPLOAD_INVALID"


class ChunkOutOfOrderError(UploadInvalidError):
    """A chunk does not begin where the last one ended.

    Args:
        offset: bytes that the upload holds.
    """

    status = 416

    def __init__(self, message: str, *, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


class RangeNotSatisfiableError(DistributionError):
    """The part of the blob that was asked for does not exist."""

    oci_code = "SIZE_INVALID"
    status = 416


class ManifestUnknownError(DistributionError):
    """The repository has no such manifest or tag."""

    oci_code = "MANIFEST_UNKNOWN"
    status = 404


class ManifestInvalidError(DistributionError):
    """The manifest cannot be read."""

    oci_code = "MANIFEST_INVALID"


class ManifestBlobUnknownError(DistributionError):
    """The manifest names something that the repository does not have."""

    oci_code = "MANIFEST_BLOB_UNKNOWN"


class UnsupportedError(DistributionError):
    """The operation is not possible on this."""

    status = 405


class PageInvalidError(DistributionError):
    """A list was asked for with a page size that is no number."""


class UnauthorizedError(DistributionError):
    """Nobody may do this without logging in, or the name or password is wrong."""

    oci_code = "UNAUTHORIZED"
    status = 401

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"WWW-Authenticate": 'Basic realm="klever", charset="UTF-8"'})


class TooManyRequestsError(DistributionError):
    """Too many were made, or are still open; another may succeed later.

    Args:
        message: what happened and what to do.
        pause: seconds until then.
    """

    oci_code = "TOOMANYREQUESTS"
    status = 429

    def __init__(self, message: str, *, pause: float) -> None:
        super().__init__(message, headers={"Retry-After": str(math.ceil(pause))})


class DeniedError(DistributionError):
    """The account may not do this."""

    oci_code = "DENIED"
    status = 403


class QuotaExceededError(DistributionError):
    """The project may have no more."""

    oci_code = "DENIED"
    status = 403


class UnsupportedEncodingError(DistributionError):
    """The body is compressed for the transfer, which the distribution API has no need of."""

    status = 415


class InUseError(DistributionError):
    """What is to be deleted is served."""

    oci_code = "DENIED"
    status = 409


class UsageUnknownError(TransientError):
    """Which models are served was not read yet, so that none can be deleted."""

    default_code = USAGE_UNKNOWN
    oci_code: ClassVar[str] = "UNAVAILABLE"
    status: ClassVar[int] = 503


class StorageError(TransientError):
    """The registry's disk does not do what it should; nothing that a client does helps."""

    default_code = STORAGE
    oci_code: ClassVar[str] = "UNAVAILABLE"
    status: ClassVar[int] = 503


class StorageFullError(StorageError):
    """The disk takes no more: it is full, read-only, or a quota is used up."""

    oci_code = "INSUFFICIENT_STORAGE"
    status = 507


class StorageLostError(StorageError):
    """Something that was stored is not there, or cannot be read; nobody deleted it."""


class NotificationInvalidError(PermanentError):
    """What another registry sent cannot be read."""

    default_code = UNKNOWN_PAYLOAD


class NotificationRefusedError(PermanentError):
    """A notification came without the secret that both sides must know."""

    default_code = WRONG_SECRET
