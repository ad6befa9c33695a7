"""Queries of the projection, and their results."""

from dataclasses import dataclass, field
from datetime import datetime

from kleverproto.base import WireModel

from .rows import Value


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which documents of a collection, in which order, which part of them."""

    where: dict[str, Value] = field(default_factory=dict)
    """Column to the value that it must have."""
    text: str | None = None
    """Lower-case text that `search` must contain."""
    since: str | None = None
    """Only documents that were created at this moment, as rows have it, or later."""
    until: str | None = None
    """Only documents that were created before this moment."""
    sort: str = "created_at"
    descending: bool = False
    start: int = 0
    limit: int = 100


@dataclass(frozen=True)
class Page:
    """Part of a list."""

    total: int
    """Documents in all parts together."""
    bodies: tuple[str, ...]
    """Documents as JSON."""


class ProjectSummary(WireModel):
    """A project, summed up from its models."""

    name: str
    models: int
    versions: int
    updated_at: datetime


class ModelSummary(WireModel):
    """A model and how many versions it has."""

    project: str
    name: str
    versions: int
    latest: str
    """The version that was pushed first most recently."""
    updated_at: datetime
