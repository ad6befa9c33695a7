"""What can go wrong, by what the caller should do next; every message is a sentence for the user."""

from typing import ClassVar


class ModelLoadError(Exception):
    """The model cannot be served at all; the process ends with exit code 3."""


class ApiError(Exception):
    """A request that ends without a prediction; answered as `{"error": message}` with `status`."""

    status: ClassVar[int] = 500


class InvalidRequestError(ApiError):
    """The request does not fit the protocol or the model; sending it again will not help."""

    status = 400


class NotFoundError(ApiError):
    """No such model or version here."""

    status = 404


class UnsupportedContentError(ApiError):
    """The body is not JSON by its own headers."""

    status = 415


class ExecutionError(ApiError):
    """The model failed on a request that looks right."""

    status = 500
