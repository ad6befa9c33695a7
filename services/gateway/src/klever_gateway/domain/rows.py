"""Rows of the projection: a document's JSON, and the columns for filters and sorting."""

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
"""Converts key, revision and document to a row."""


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
"""Columns of each collection for filters and sorting."""
RESTORED = frozenset({Collection.MODELS, Collection.SERVINGS, Collection.POLICIES})
"""Collections whose owners restore a lost bucket. The history of jobs is lost with its bucket."""
REQUEST_STREAMS: dict[Collection, str] = {
    Collection.JOBS: JOBS.name,
    Collection.SERVINGS: SERVINGS.name,
    Collection.POLICIES: MODELS.name,
}
"""Stream of the requests for documents of a collection."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One document of a collection."""

    key: str
    revision: int
    """Revision in the bucket; 0 for a document that only this gateway has."""
    body: str
    """The document as JSON."""
    generation: int
    hidden: bool = False
    """True for a tombstone, which is kept for its generation and not shown."""
    ending: bool = False
    """True if the document is being deleted, or is deleted."""
    stale: bool = False
    """True for a document from a lost bucket that the present bucket does not contain, or not yet."""
    event_id: str | None = None
    """Id of the request that led to this document."""
    sequence: int = 0
    """Sequence of that request in its stream; 0 if unknown."""
    accepted: bool = False
    """True if this gateway created the row for a request that the owner has not answered yet."""
    columns: dict[str, Value] = field(default_factory=dict)


def model_row(key: str, revision: int, document: ModelDocument) -> Row:
    """Return the row of a model version."""
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
    """Return the row of a job."""
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
    """Return the row of a project's policy."""
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
    """Return the row of a serving."""
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
    """Return the row of a deleted document."""
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
    """Return whether the owner's document or tombstone (None: neither exists) answers an accepted request.

    A document with the request's sequence in the stream, or a later one, answers it, whatever the outcome. If the
    sequence is unknown, the generation decides.
    """
    if owner is None:
        return False
    if accepted.sequence and owner.sequence:
        return owner.sequence >= accepted.sequence
    if owner.generation != accepted.generation:
        return owner.generation > accepted.generation
    return owner.ending or not accepted.ending


def takes_over(present: Row | None, change: Row) -> bool:
    """Return whether a change of the bucket replaces the present row: not if it is older, or if a newer request waits.

    The revision of a stale row belongs to a lost bucket and cannot be compared.
    """
    if present is None or present.stale:
        return True
    if change.revision <= present.revision:
        return False
    return not present.accepted or is_settled(present, change)


def moment(when: datetime) -> str:
    """Return a time as text that sorts chronologically."""
    return when.astimezone(UTC).isoformat(timespec="microseconds")
