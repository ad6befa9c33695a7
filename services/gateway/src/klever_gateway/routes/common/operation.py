"""One line of the API: what the router serves and what OpenAPI says of it."""

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
    """The error responses that operations can have."""

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
    """The response when all is well."""

    description: str
    status: int = 200
    model: type[BaseModel] | None = None
    media_type: str = JSON
    example: Any = None
    headers: tuple[str, ...] = ()
    """Names of headers; openapi.py describes them."""


@dataclass(frozen=True, kw_only=True)
class Body:
    """The request's body."""

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
    """Request headers that matter; openapi.py describes them."""
    failures: tuple[Failure, ...] = ()
