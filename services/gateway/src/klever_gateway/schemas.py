"""Bodies, queries and envelopes of the API, beyond the documents of the contract."""

from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import AfterValidator, AwareDatetime, Field, field_validator, model_validator

from kleverproto.base import StrictWireModel, WireModel
from kleverproto.conversions import Conversion
from kleverproto.envelope import Event
from kleverproto.formats import conversion_target, known_format
from kleverproto.jobs import JobDocument, JobKind, JobPhase
from kleverproto.models import ExtractionPhase, ModelDocument
from kleverproto.projects import ProjectPolicy
from kleverproto.references import DnsLabel, ModelRef, Name
from kleverproto.rollouts import RolloutAction
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument, ServingPhase
from kleverproto.variants import ModelReference

from .domain.queries import ModelSummary, ProjectSummary, Query
from .domain.rows import Value, moment

ItemT = TypeVar("ItemT")


class PageQuery(StrictWireModel):
    """Which part of a list."""

    start: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    """How many items to leave out at the beginning."""
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    """How many items at most."""


class SortedQuery(PageQuery):
    """A part of a sorted list; subclasses have `sort` and their filters."""

    sort: str

    def as_query(self, **where: Value) -> Query:
        """The same as a query of the projection; filters that are not given do not count."""
        filters = self.model_dump(mode="json", by_alias=False, exclude={"start", "limit", "sort", *BESIDE_COLUMNS})
        given = {name: value for name, value in filters.items() if value is not None}
        text: str | None = getattr(self, "q", None)
        since, until = getattr(self, "since", None), getattr(self, "until", None)
        return Query(
            where=given | where,
            text=text.lower() if text else None,
            since=moment(since) if since else None,
            until=moment(until) if until else None,
            sort=SORT_COLUMNS.get(self.sort.removeprefix("-"), self.sort.removeprefix("-")),
            descending=self.sort.startswith("-"),
            start=self.start,
            limit=self.limit,
        )


BESIDE_COLUMNS = frozenset({"q", "since", "until"})
"""Filters that are more than the value of a column."""
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
    """Only of this project."""
    format: Annotated[str, AfterValidator(known_format)] | None = None
    """Only of this format, such as ONNX, in any case."""
    extraction: ExtractionPhase | None = None
    """Only those whose parsing is this far."""
    q: Annotated[str | None, Field(max_length=200)] = None
    """Only those whose name, author, description, tags or labels hold this text."""


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
    """Only jobs on this version of them."""
    since: AwareDatetime | None = None
    """Only jobs that were asked for at this moment (RFC 3339) or later."""
    until: AwareDatetime | None = None
    """Only jobs that were asked for before this moment."""


class ServingQuery(SortedQuery):
    """Servings."""

    sort: Literal["name", "-name", "createdAt", "-createdAt", "updatedAt", "-updatedAt"] = "name"
    """Order of the list; a minus for the last first."""
    phase: ServingPhase | None = None
    """Only servings in this phase."""


class RecentQuery(StrictWireModel):
    """How much of the past."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    """How many events at most, the newest ones."""


class LogQuery(StrictWireModel):
    """How a log is read."""

    follow: bool = False
    """Go on until the job has ended."""


class ServingLogQuery(StrictWireModel):
    """How the log of a serving is read."""

    follow: bool = False
    """Go on for as long as there is the serving."""
    variant: str | None = None
    """Only of this variant."""


class WatchQuery(StrictWireModel):
    """Which live events."""

    type: tuple[str, ...] = ()
    """Only events of this CloudEvents type; may be given several times."""
    subject: Annotated[str | None, Field(min_length=1, max_length=500)] = None
    """Only events about this: `project/model`, a job's id, or `namespace/name`."""

    @field_validator("type", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class CreateServing(StrictWireModel):
    """A new serving."""

    name: DnsLabel
    spec: ServingSpec


class ReplaceServing(StrictWireModel):
    """A serving as it should be."""

    spec: ServingSpec


class SteerRollout(StrictWireModel):
    """What to do with a rollout that is under way."""

    action: RolloutAction


class ServingName(StrictWireModel):
    """What a serving is called."""

    namespace: DnsLabel
    name: DnsLabel


class CreateJob(StrictWireModel):
    """A job to be done on a model version."""

    kind: JobKind = JobKind.EXTRACT
    ref: ModelReference
    """`project/model:version`."""
    conversion: Conversion | None = None
    """What a `convert` job is to make."""

    @field_validator("ref")
    @classmethod
    def _is_a_reference(cls, value: str) -> str:
        return str(ModelRef.parse(value))

    @field_validator("conversion")
    @classmethod
    def _can_be_made(cls, value: Conversion | None) -> Conversion | None:
        return value.model_copy(update={"to": conversion_target(value.to)}) if value else None

    @model_validator(mode="after")
    def _says_what_to_make(self) -> Self:
        if self.kind is JobKind.CONVERT and self.conversion is None:
            raise ValueError('a convert job says what to make: {"conversion": {"to": "ONNX"}}')
        if self.kind is not JobKind.CONVERT and self.conversion is not None:
            raise ValueError('`conversion` is for jobs of the kind convert: add "kind": "convert"')
        return self


class ReplacePolicy(ProjectPolicy):
    """What is to happen by itself to the models of a project."""

    @field_validator("convert")
    @classmethod
    def _can_be_made(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(conversion_target, value)))

    @property
    def policy(self) -> ProjectPolicy:
        """As the registry keeps it."""
        return ProjectPolicy.model_validate(self.model_dump())


class ProjectName(StrictWireModel):
    """A project."""

    project: Name


class NamespaceName(StrictWireModel):
    """A namespace."""

    namespace: DnsLabel


class Urls(WireModel):
    """Where the platform's doors are."""

    gateway: str
    registry: str
    ingress: str


class PlatformInfo(WireModel):
    """What runs here."""

    version: str
    urls: Urls


class ListMetadata(WireModel):
    """About a list."""

    total_items: int
    """Items in all pages together."""


class ItemList(WireModel, Generic[ItemT]):
    """A part of a list."""

    metadata: ListMetadata
    items: tuple[ItemT, ...]


class ProjectList(ItemList[ProjectSummary]):
    """Projects."""


class ModelList(ItemList[ModelSummary]):
    """Models of a project."""


class VersionList(ItemList[ModelDocument]):
    """Model versions."""


class JobList(ItemList[JobDocument]):
    """Jobs."""


class ServingList(ItemList[ServingDocument]):
    """Servings."""


class EventList(ItemList[Event[Any]]):
    """Events, oldest first."""
