"""One operation of the API, for the router and for the OpenAPI document."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from aiohttp import web
from pydantic import BaseModel

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

BASE = "/api/v1alpha1"
JSON = "application/json"


class Failure(IntEnum):
    """Error responses that operations may return."""

    MALFORMED = 400
    UNAUTHORIZED = 401
    NOT_FOUND = 404
    CONFLICT = 409
    GENERATION_MISMATCH = 412
    UNSUPPORTED_MEDIA_TYPE = 415
    INVALID = 422
    UNAVAILABLE = 503


@dataclass(frozen=True, kw_only=True)
class Success:
    """The response of a successful operation."""

    description: str
    status: int = 200
    model: type[BaseModel] | None = None
    media_type: str = JSON
    example: Any = None
    headers: tuple[str, ...] = ()
    """Names of response headers, described in `openapi/texts.py`."""


@dataclass(frozen=True, kw_only=True)
class Body:
    """The body of the request."""

    model: type[BaseModel]
    example: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A method on a path."""

    id: str
    method: str
    path: str
    handler: Handler
    tag: str
    summary: str
    success: Success
    description: str = ""
    query: type[BaseModel] | None = None
    body: Body | None = None
    headers: tuple[str, ...] = ()
    """Names of request headers that the operation reads, described in `openapi/texts.py`."""
    failures: tuple[Failure, ...] = ()
