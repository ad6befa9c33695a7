"""Queries of the projection, and their results."""

from dataclasses import dataclass, field
from datetime import datetime

from kleverproto.base import WireModel

from .rows import Value


@dataclass(frozen=True, kw_only=True)
class Query:
    """Selection, order and page of the documents of a collection."""

    where: dict[str, Value] = field(default_factory=dict)
    """Required values by column."""
    text: str | None = None
    """Lower-case text that `search` must contain."""
    since: str | None = None
    """Earliest creation time, as text in the format of rows."""
    until: str | None = None
    """Creation time that all documents must precede, in the same format."""
    sort: str = "created_at"
    descending: bool = False
    start: int = 0
    limit: int = 100


@dataclass(frozen=True)
class Page:
    """A page of a list."""

    total: int
    """Number of documents on all pages."""
    bodies: tuple[str, ...]
    """Documents as JSON."""


class ProjectSummary(WireModel):
    """A summary of a project's models."""

    name: str
    models: int
    versions: int
    updated_at: datetime


class ModelSummary(WireModel):
    """A summary of a model's versions."""

    project: str
    name: str
    versions: int
    latest: str
    """The version whose first push is the most recent."""
    updated_at: datetime
