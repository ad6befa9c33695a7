"""Errors by the action that they require. Every message is a sentence for the user."""

from collections.abc import Mapping
from typing import ClassVar


class ModelLoadError(Exception):
    """The model cannot be served; the process exits with code 3."""


class ApiError(Exception):
    """A request without a prediction. The response is `{"error": message}` with `status`."""

    status: ClassVar[int] = 500
    headers: ClassVar[Mapping[str, str]] = {}


class InvalidRequestError(ApiError):
    """The request does not fit the protocol or the model. A retry does not help."""

    status = 400


class ForbiddenError(ApiError):
    """The request lacks the key that the server requires."""

    status = 403


class NotFoundError(ApiError):
    """The model, version or path does not exist here."""

    status = 404


class TooLargeError(ApiError):
    """The body is larger than the limit."""

    status = 413


class HeadersTooLargeError(ApiError):
    """The headers are larger than the limit."""

    status = 431


class UnsupportedContentError(ApiError):
    """The headers declare a body that is not JSON."""

    status = 415


class UnsupportedCodingError(ApiError):
    """The body has an unsupported compression."""

    status = 415
    headers: ClassVar[Mapping[str, str]] = {"Accept-Encoding": "gzip, deflate"}


class NotReadyError(ApiError):
    """The server behind this one does not respond: it is starting, or has exited."""

    status = 503


class ExecutionError(ApiError):
    """The model failed on a valid request."""

    status = 500
