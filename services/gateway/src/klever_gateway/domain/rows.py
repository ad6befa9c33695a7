"""A document as the projection stores it: its JSON, and the columns that lists are filtered and sorted by."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from kleverkit.documents import Buried
from kleverproto.base import WireModel
from kleverproto.jobs import JobDocument
from kleverproto.models import ModelDocument
from kleverproto.projects import ProjectDocument
from kleverproto.servings import ServingDocument, ServingPhase
from kleverproto.streams import JOBS, MODELS, SERVINGS

Value = str | int | None
DocT = TypeVar("DocT", bound=WireModel)
RowOf = Callable[[str, int, DocT], "Row"]
"""Key, revision and document to row."""


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
RESTORED = frozenset({Collection.MODELS, Collection.SERVINGS, Collection.POLICIES})
"""What owners restore in a bucket that was lost; the history of jobs is lost with it."""
REQUEST_STREAMS: dict[Collection, str] = {
    Collection.JOBS: JOBS.name,
    Collection.SERVINGS: SERVINGS.name,
    Collection.POLICIES: MODELS.name,
}
"""Where the requests for documents of a collection are stored."""


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
    stale: bool = False
    """The last known state of a bucket that was lost; the present bucket does not have the document, or not yet."""
    event_id: str | None = None
    """The request that the document comes from."""
    sequence: int = 0
    """The position of that request in its stream; 0 where it is not known."""
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
            "format": document.format,
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
        sequence=intent.sequence if intent else 0,
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
    intent = document.status.intent
    return Row(
        key=key,
        revision=revision,
        body=document.model_dump_json(),
        generation=document.generation,
        event_id=intent.event_id if intent else None,
        sequence=intent.sequence if intent else 0,
        accepted=accepted,
        columns={
            "name": document.spec.name,
            "created_at": moment(document.created_at),
            "updated_at": moment(document.updated_at),
        },
    )


def serving_row(key: str, revision: int, document: ServingDocument, *, accepted: bool = False) -> Row:
    """The row of a serving."""
    phase, intent = document.status.phase, document.status.intent
    return Row(
        key=key,
        revision=revision,
        body=document.model_dump_json(),
        generation=document.generation,
        ending=phase is ServingPhase.DELETING,
        event_id=intent.event_id if intent else None,
        sequence=intent.sequence if intent else 0,
        accepted=accepted,
        columns={
            "namespace": document.namespace,
            "name": document.name,
            "phase": phase.value,
            "created_at": moment(document.created_at),
            "updated_at": moment(document.updated_at),
        },
    )


def tombstone_row(collection: Collection, buried: Buried[DocT], row_of: RowOf[DocT]) -> Row:
    """The row of a deleted document."""
    intent = buried.tombstone.intent
    event_id, sequence = (intent.event_id, intent.sequence) if intent else (None, 0)
    document = buried.tombstone.document
    if document is None:
        columns: dict[str, Value] = dict.fromkeys(COLUMNS[collection])
        row = Row(key=buried.key, revision=buried.revision, body="", generation=0, columns=columns)
    else:
        row = row_of(buried.key, buried.revision, document)
    return replace(row, hidden=True, ending=True, event_id=event_id, sequence=sequence)


def is_settled(accepted: Row, owner: Row | None) -> bool:
    """Whether the owner's document or tombstone (None: there is neither) answers the request that was accepted.

    A document with the request's place in the stream, or a later one, does, whatever became of the request. Where the
    place is not known the generation has to say it.
    """
    if owner is None:
        return False
    if accepted.sequence and owner.sequence:
        return owner.sequence >= accepted.sequence
    if owner.generation != accepted.generation:
        return owner.generation > accepted.generation
    return owner.ending or not accepted.ending


def takes_over(present: Row | None, change: Row) -> bool:
    """Whether a change of the bucket replaces the present row: not if it is older, nor under a newer request.

    Revisions of a stale row are of another bucket and say nothing.
    """
    if present is None or present.stale:
        return True
    if change.revision <= present.revision:
        return False
    return not present.accepted or is_settled(present, change)


def moment(when: datetime) -> str:
    """Text that sorts as the moments do."""
    return when.astimezone(UTC).isoformat(timespec="microseconds")
