"""What can go wrong, by what the caller should do next; every message is a sentence for the user."""

from collections.abc import Mapping
from typing import ClassVar


class ModelLoadError(Exception):
    """The model cannot be served at all; the process ends with exit code 3."""


class ApiError(Exception):
    """A request that ends without a prediction; answered as `{"error": message}` with `status`."""

    status: ClassVar[int] = 500
    headers: ClassVar[Mapping[str, str]] = {}


class InvalidRequestError(ApiError):
    """The request does not fit the protocol or the model; sending it again will not help."""

    status = 400


class ForbiddenError(ApiError):
    """The request lacks the key that the server requires."""

    status = 403


class NotFoundError(ApiError):
    """No such model, version or path here."""

    status = 404


class TooLargeError(ApiError):
    """The body is larger than the limit."""

    status = 413


class HeadersTooLargeError(ApiError):
    """The headers are larger than the limit."""

    status = 431


class UnsupportedContentError(ApiError):
    """The body is not JSON by its own headers."""

    status = 415


class UnsupportedCodingError(ApiError):
    """The body is compressed in a way that is not known here."""

    status = 415
    headers: ClassVar[Mapping[str, str]] = {"Accept-Encoding": "gzip, deflate"}


class NotReadyError(ApiError):
    """The server behind this one does not answer: it starts, or has ended."""

    status = 503


class ExecutionError(ApiError):
    """The model failed on a request that looks right."""

    status = 500
