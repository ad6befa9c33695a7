"""The shape every stored document shares, and what is left of one that was deleted."""

from datetime import datetime
from typing import Generic, Self, TypedDict, TypeVar, Unpack

from .base import WireModel

SpecT = TypeVar("SpecT", bound=WireModel)
StatusT = TypeVar("StatusT", bound=WireModel)
DocT = TypeVar("DocT", bound=WireModel)


class Problem(WireModel):
    """Why something failed: a stable code for programs and a message for people."""

    code: str
    """snake_case and stable, such as `invalid_model`."""
    message: str
    """What happened and what to do."""


class DocumentChanges(TypedDict, Generic[SpecT, StatusT], total=False):
    """What may be replaced in a document."""

    spec: SpecT
    status: StatusT
    generation: int
    updated_at: datetime


class Document(WireModel, Generic[SpecT, StatusT]):
    """A document in a KV bucket. Only the owner of the bucket writes it."""

    spec: SpecT
    status: StatusT
    generation: int = 1
    """Grows by one with each change of the spec."""
    created_at: datetime
    updated_at: datetime

    def replace(self, **changes: Unpack[DocumentChanges[SpecT, StatusT]]) -> Self:
        """The same document with other values for some fields."""
        return self.model_copy(update=changes)


class Intent(WireModel):
    """The request that a document's spec or deletion comes from; its place in the stream orders requests."""

    sequence: int
    """Position in the stream of the request."""
    event_id: str
    correlation_id: str

    def at(self, sequence: int) -> Self:
        """The same request at another position."""
        return self.model_copy(update={"sequence": sequence})


def is_late(known: Intent | None, intent: Intent) -> bool:
    """Whether a request is a repetition of the known one, or older: it changes nothing."""
    return known is not None and intent.sequence <= known.sequence


class TombstoneChanges(TypedDict, total=False):
    """What may be replaced in a Tombstone."""

    intent: Intent | None
    announced: bool


class Tombstone(WireModel, Generic[DocT]):
    """What is left of a document that was deleted, or of a deletion that came before its document.

    It lets a late request be recognised, and an event of deletion that a crash prevented be published. It is the
    payload of the KV bucket's own delete marker, so that every reader of the bucket sees a deletion.
    """

    document: DocT | None = None
    """The document as it was last; None where there never was one."""
    intent: Intent | None = None
    """The request that deleted it."""
    announced: bool = False
    """Whether the event of the deletion is known to be published."""
    deleted_at: datetime

    def replace(self, **changes: Unpack[TombstoneChanges]) -> Self:
        """The same tombstone with other values for some fields."""
        return self.model_copy(update=changes)
