"""Query parameters of lists, logs and event streams."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, Field, field_validator

from klever_gateway.domain.queries import Query
from klever_gateway.domain.rows import Value, moment
from kleverproto.base import StrictWireModel
from kleverproto.formats import known_format
from kleverproto.jobs import JobKind, JobPhase
from kleverproto.models import ExtractionPhase
from kleverproto.servings import ServingPhase


class PageQuery(StrictWireModel):
    """Selects a page of a list."""

    start: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    """Number of items to skip."""
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    """Maximum number of items."""


class SortedQuery(PageQuery):
    """Selects a page of a sorted list. Subclasses define `sort` and filters."""

    sort: str

    def as_query(self, **where: Value) -> Query:
        """Return the query of the projection. Absent filters match everything."""
        filters = self.model_dump(mode="json", by_alias=False, exclude={"start", "limit", "sort", *BESIDE_COLUMNS})
        present = {name: value for name, value in filters.items() if value is not None}
        text: str | None = getattr(self, "q", None)
        since, until = getattr(self, "since", None), getattr(self, "until", None)
        return Query(
            where=present | where,
            text=text.lower() if text else None,
            since=moment(since) if since else None,
            until=moment(until) if until else None,
            sort=SORT_COLUMNS.get(self.sort.removeprefix("-"), self.sort.removeprefix("-")),
            descending=self.sort.startswith("-"),
            start=self.start,
            limit=self.limit,
        )


BESIDE_COLUMNS = frozenset({"q", "since", "until"})
"""Filters that do not compare a column with a value."""
SORT_COLUMNS = {"createdAt": "created_at", "updatedAt": "updated_at"}


class VersionQuery(SortedQuery):
    """Versions of one model."""

    sort: Literal["version", "-version", "createdAt", "-createdAt", "updatedAt", "-updatedAt", "size", "-size"] = (
        "-createdAt"
    )
    """Order of the list; a minus for the largest first."""


class ModelQuery(VersionQuery):
    """Versions of all models."""

    project: str | None = None
    """Only models of this project."""
    format: Annotated[str, AfterValidator(known_format)] | None = None
    """Only versions in this format, such as ONNX; case-insensitive."""
    extraction: ExtractionPhase | None = None
    """Only versions in this phase of signature extraction."""
    q: Annotated[str | None, Field(max_length=200)] = None
    """Only versions whose name, author, description, tags or labels contain this text."""


class JobQuery(SortedQuery):
    """Jobs of a namespace."""

    sort: Literal["createdAt", "-createdAt", "updatedAt", "-updatedAt"] = "-createdAt"
    """Order of the list; a minus for the newest first."""
    phase: JobPhase | None = None
    """Only jobs in this phase."""
    kind: JobKind | None = None
    """Only jobs of this kind."""
    project: str | None = None
    """Only jobs on models of this project."""
    model: str | None = None
    """Only jobs on models of this name."""
    version: str | None = None
    """Only jobs on model versions with this tag."""
    since: AwareDatetime | None = None
    """Only jobs that were requested at this time (RFC 3339) or later."""
    until: AwareDatetime | None = None
    """Only jobs that were requested before this time."""


class ServingQuery(SortedQuery):
    """Servings."""

    sort: Literal["name", "-name", "createdAt", "-createdAt", "updatedAt", "-updatedAt"] = "name"
    """Order of the list; a minus for descending order."""
    phase: ServingPhase | None = None
    """Only servings in this phase."""


class RecentQuery(StrictWireModel):
    """Selects the newest events."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    """Maximum number of events."""


class LogQuery(StrictWireModel):
    """Parameters of a job's log."""

    follow: bool = False
    """Also return new lines until the job finishes."""


class ServingLogQuery(StrictWireModel):
    """Parameters of a serving's log."""

    follow: bool = False
    """Also return new lines until the serving is deleted."""
    variant: str | None = None
    """Only lines of this variant."""


class WatchQuery(StrictWireModel):
    """Selects live events."""

    type: tuple[str, ...] = ()
    """Only events of this CloudEvents type; may be repeated."""
    subject: Annotated[str | None, Field(min_length=1, max_length=500)] = None
    """Only events with this CloudEvents subject: `project/model`, a job's id, or `namespace/name`."""

    @field_validator("type", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class WriteQuery(StrictWireModel):
    """Parameters of a change of a serving."""

    dry_run: bool = False
    """Check the request and return the serving as it would be, with status 200. Nothing is requested."""
