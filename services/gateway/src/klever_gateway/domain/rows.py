"""How a document lies in the projection: its JSON, and the columns that lists are filtered and sorted by."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from kleverproto.jobs import JobDocument
from kleverproto.models import ModelDocument
from kleverproto.projects import ProjectDocument
from kleverproto.servings import ServingDocument, ServingPhase

Value = str | int | None


class Collection(StrEnum):
    """The documents of one bucket."""

    MODELS = "models"
    JOBS = "jobs"
    SERVINGS = "servings"
    POLICIES = "policies"


COLUMNS: dict[Collection, tuple[str, ...]] = {
    Collection.MODELS: (
        *("project", "model", "version", "format", "extraction"),
        *("size", "created_at", "updated_at", "search"),
    ),
    Collection.JOBS: (
        *("namespace", "id", "kind", "phase", "project", "model", "version"),
        *("created_at", "updated_at"),
    ),
    Collection.SERVINGS: ("namespace", "name", "phase", "created_at", "updated_at"),
    Collection.POLICIES: ("name", "created_at", "updated_at"),
}
"""What each collection can be filtered and sorted by."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One document of a collection."""

    key: str
    revision: int
    """Revision in the bucket; 0 for a document that only this gateway knows of."""
    body: str
    """The document as JSON."""
    generation: int
    hidden: bool = False
    """A tombstone: kept for its generation, not shown."""
    ending: bool = False
    """Being deleted, or deleted."""
    event_id: str | None = None
    """The request that the document comes from."""
    accepted: bool = False
    """Written by this gateway for a request that the owner has not answered yet."""
    columns: dict[str, Value] = field(default_factory=dict)


def model_row(key: str, revision: int, document: ModelDocument) -> Row:
    """The row of a model version."""
    spec, metadata = document.spec, document.spec.metadata
    words = (str(spec.ref), metadata.author, metadata.description, *metadata.tags, *metadata.labels.values())
    return Row(
        key=key,
        revision=revision,
        body=document.model_dump_json(),
        generation=document.generation,
        columns={
            "project": spec.ref.project,
            "model": spec.ref.model,
            "version": spec.ref.version,
            "format": metadata.format,
            "extraction": document.status.extraction.value,
            "size": spec.size,
            "created_at": moment(document.created_at),
            "updated_at": moment(document.updated_at),
            "search": "\n".join(word for word in words if word).lower(),
        },
    )


def job_row(key: str, revision: int, document: JobDocument, *, accepted: bool = False) -> Row:
    """The row of a job."""
    spec, intent = document.spec, document.status.intent
    return Row(
        key=key,
        revision=revision,
        body=document.model_dump_json(),
        generation=document.generation,
        event_id=intent.event_id if intent else None,
        accepted=accepted,
        columns={
            "namespace": spec.namespace,
            "id": document.id,
            "kind": spec.kind.value,
            "phase": document.status.phase.value,
            "project": spec.ref.project,
            "model": spec.ref.model,
            "version": spec.ref.version,
            "created_at": moment(document.created_at),
            "updated_at": moment(document.updated_at),
        },
    )


def policy_row(key: str, revision: int, document: ProjectDocument, *, accepted: bool = False) -> Row:
    """The row of a project with a policy."""
    return Row(
        key=key,
        revision=revision,
        body=document.model_dump_json(),
        generation=document.generation,
        accepted=accepted,
        columns={
            "name": document.spec.name,
            "created_at": moment(document.created_at),
            "updated_at": moment(document.updated_at),
        },
    )


def serving_row(key: str, revision: int, document: ServingDocument, *, accepted_by: str | None = None) -> Row:
    """The row of a serving; `accepted_by` is the id of the request, while the owner has not answered it."""
    phase, intent = document.status.phase, document.status.intent
    return Row(
        key=key,
        revision=revision,
        body=document.model_dump_json(),
        generation=document.generation,
        hidden=phase is ServingPhase.DELETED,
        ending=phase in {ServingPhase.DELETING, ServingPhase.DELETED},
        event_id=accepted_by or (intent.event_id if intent else None),
        accepted=accepted_by is not None,
        columns={
            "namespace": document.namespace,
            "name": document.name,
            "phase": phase.value,
            "created_at": moment(document.created_at),
            "updated_at": moment(document.updated_at),
        },
    )


def is_settled(accepted: Row, owner: Row | None) -> bool:
    """Whether the owner's document (None: it has none) answers the request that was accepted."""
    if owner is None:
        return accepted.ending
    if owner.event_id is not None and owner.event_id == accepted.event_id:
        return True
    if owner.generation != accepted.generation:
        return owner.generation > accepted.generation
    return owner.ending or not accepted.ending


def takes_over(present: Row | None, change: Row | None, revision: int) -> bool:
    """Whether a change of the bucket replaces the present row: not if it is older, nor under a newer request."""
    if present is None:
        return change is not None
    if revision <= present.revision:
        return False
    return not present.accepted or is_settled(present, change)


def moment(when: datetime) -> str:
    """Text that sorts as the moments do."""
    return when.astimezone(UTC).isoformat(timespec="microseconds")
