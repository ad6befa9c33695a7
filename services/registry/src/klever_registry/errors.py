"""Errors of the distribution API, with the codes and HTTP statuses of the OCI specification."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from kleverkit.errors import PermanentError, TransientError
from kleverproto.codes import STORAGE, UNKNOWN_PAYLOAD, USAGE_UNKNOWN, WRONG_SECRET

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class DistributionError(PermanentError):
    """A rejected request.

    Args:
        message: the problem and its remedy.
        detail: data for programs, in the error's `detail`.
        headers: headers of the response.
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
    """The name of the repository is invalid."""

    oci_code = "NAME_INVALID"


class NameUnknownError(DistributionError):
    """The repository does not exist."""

    oci_code = "NAME_UNKNOWN"
    status = 404


class DigestInvalidError(DistributionError):
    """A digest is invalid, or does not match the bytes."""

    oci_code = "DIGEST_INVALID"


class SizeInvalidError(DistributionError):
    """The number of received bytes is not the announced or permitted one."""

    oci_code = "SIZE_INVALID"


class TooLargeError(SizeInvalidError):
    """A manifest or blob exceeds the maximum size."""

    status = 413


class BlobUnknownError(DistributionError):
    """The blob does not exist in the repository."""

    oci_code = "BLOB_UNKNOWN"
    status = 404


class UploadUnknownError(DistributionError):
    """The upload does not exist: it is complete, was cancelled or removed, or never began."""

    oci_code = "BLOB_UPLOAD_UNKNOWN"
    status = 404


class UploadInvalidError(DistributionError):
    """A chunk is invalid."""

    oci_code = "BLOB_UPLOAD_INVALID"


class ChunkOutOfOrderError(UploadInvalidError):
    """A chunk does not start at the end of the last one.

    Args:
        offset: number of bytes in the upload.
    """

    status = 416

    def __init__(self, message: str, *, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


class RangeNotSatisfiableError(DistributionError):
    """The requested range of the blob does not exist."""

    oci_code = "SIZE_INVALID"
    status = 416


class ManifestUnknownError(DistributionError):
    """The manifest or tag does not exist in the repository."""

    oci_code = "MANIFEST_UNKNOWN"
    status = 404


class ManifestInvalidError(DistributionError):
    """The manifest is invalid."""

    oci_code = "MANIFEST_INVALID"


class ManifestBlobUnknownError(DistributionError):
    """The manifest refers to content that is not in the repository."""

    oci_code = "MANIFEST_BLOB_UNKNOWN"


class UnsupportedError(DistributionError):
    """The operation is not supported."""

    status = 405


class PageInvalidError(DistributionError):
    """The page size of a list is not a number."""


class UnauthorizedError(DistributionError):
    """The request requires a login, or the name or password is wrong."""

    oci_code = "UNAUTHORIZED"
    status = 401

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"WWW-Authenticate": 'Basic realm="klever", charset="UTF-8"'})


class TooManyRequestsError(DistributionError):
    """Too many requests were made, or too many uploads are open.

    Args:
        message: the problem and its remedy.
        pause: seconds after which to retry.
    """

    oci_code = "TOOMANYREQUESTS"
    status = 429

    def __init__(self, message: str, *, pause: float) -> None:
        super().__init__(message, headers={"Retry-After": str(math.ceil(pause))})


class DeniedError(DistributionError):
    """The account does not have the right."""

    oci_code = "DENIED"
    status = 403


class QuotaExceededError(DistributionError):
    """The quota of the project is used up."""

    oci_code = "DENIED"
    status = 403


class UnsupportedEncodingError(DistributionError):
    """The body has a Content-Encoding, which the distribution API does not use."""

    status = 415


class InUseError(DistributionError):
    """The version to be deleted is served."""

    oci_code = "DENIED"
    status = 409


class UsageUnknownError(TransientError):
    """The served models are not known yet, so that no version can be deleted."""

    default_code = USAGE_UNKNOWN
    oci_code: ClassVar[str] = "UNAVAILABLE"
    status: ClassVar[int] = 503


class StorageError(TransientError):
    """The registry's disk has failed. The client cannot solve the problem."""

    default_code = STORAGE
    oci_code: ClassVar[str] = "UNAVAILABLE"
    status: ClassVar[int] = 503


class StorageFullError(StorageError):
    """The disk is full or read-only, or its quota is used up."""

    oci_code = "INSUFFICIENT_STORAGE"
    status = 507


class StorageLostError(StorageError):
    """Stored content is missing or unreadable without a deletion."""


class NotificationInvalidError(PermanentError):
    """A notification of another registry cannot be parsed."""

    default_code = UNKNOWN_PAYLOAD


class NotificationRefusedError(PermanentError):
    """A notification does not have the shared secret."""

    default_code = WRONG_SECRET
