"""Responses of the API server that are no success, as errors by what to do next."""

import json
from typing import Any

from kleverkit.errors import PermanentError, TransientError
from kleverproto.codes import UNSUPPORTED_HERE

CONFLICT, GONE, TOO_MANY_REQUESTS, SERVER_ERROR = 409, 410, 429, 500
NOT_AUTHENTICATED, FORBIDDEN, NOT_FOUND = 401, 403, 404
RETRIED = frozenset({NOT_AUTHENTICATED, TOO_MANY_REQUESTS})
"""Statuses after which the same request may succeed."""
NOT_TYPED = "failed to create typed patch object"
"""Part of the message of a server-side apply with a wrong field, whose status is 500."""
NOT_SERVED = frozenset({"404 page not found", "the server could not find the requested resource"})
"""Messages for a kind of objects that the cluster does not have; for an object, they name it."""
TOO_NEW = "Too large resource version"
"""Part of the message for a version that the server has never had: it was restored from a backup."""


class ApiUnavailableError(TransientError):
    """The API server does not respond, or requests a pause.

    Attributes:
        retry_after: seconds to wait, if the server requests it.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ConflictError(ApiUnavailableError):
    """The object has changed since it was read: read it again."""


class ExpiredError(ApiUnavailableError):
    """The version from which a watch should continue is gone, or was never there: list again."""


class DeniedError(ApiUnavailableError):
    """The service's account lacks a permission; the request succeeds when it is granted."""


class MissingKindError(ApiUnavailableError):
    """The cluster does not have this kind of objects; the request succeeds when its definition is installed."""


class RefusedByClusterError(PermanentError):
    """The API server refuses an object; a retry does not help.

    Attributes:
        status: status of the response.
    """

    default_code = UNSUPPORTED_HERE

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


def failure(
    status: int,
    body: str,
    what: str,
    retry_after: str | None = None,
    refused: type[RefusedByClusterError] = RefusedByClusterError,
) -> ApiUnavailableError | RefusedByClusterError:
    """The error for a response.

    Args:
        status: HTTP status, or that of a Status object in a watch.
        body: a Status object as JSON, or text.
        what: the request, for messages.
        retry_after: the header `Retry-After`.
        refused: the error for a refusal.
    """
    message = f"{what}: {_message(body) or f'status {status}'}"
    if status == GONE or TOO_NEW in message:
        return ExpiredError(message)
    if status == FORBIDDEN and _is_denied(message):
        return DeniedError(f"{message}. Grant this to the service's account (RBAC)")
    if status == NOT_FOUND and _message(body) in NOT_SERVED:
        return MissingKindError(f"{message}. The cluster lacks this kind: install its CustomResourceDefinition")
    if status == CONFLICT:
        return ConflictError(message)
    if (status in RETRIED or status >= SERVER_ERROR) and NOT_TYPED not in message:
        return ApiUnavailableError(message, retry_after=_seconds(retry_after))
    return refused(f"{message}{_remedy(status, body)}", status=status)


def _message(body: str) -> str:
    """The message of a Status object; priority and fairness responds with text."""
    try:
        status: Any = json.loads(body)
    except ValueError:
        return " ".join(body.split())[:500]
    return str(status.get("message", "")) if isinstance(status, dict) else ""


def _remedy(status: int, body: str) -> str:
    if status == NOT_FOUND and "namespaces" in _message(body):
        return ". Create it with `kubectl create namespace`"
    return ""


def _is_denied(message: str) -> bool:
    """Return whether the authorizer has refused a request; admission and quotas use the same status."""
    return " is forbidden: User " in message and " cannot " in message


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdecimal() else None
