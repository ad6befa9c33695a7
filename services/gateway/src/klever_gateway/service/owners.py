"""Rows of the documents that the owner of a collection keeps in its bucket."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from klever_gateway.domain.rows import Collection, Row, RowOf, tombstone_row
from kleverkit.documents import Buried, Change, Documents, Stored
from kleverproto.base import WireModel

DocT = TypeVar("DocT", bound=WireModel)


@dataclass(frozen=True)
class Owned(Generic[DocT]):
    """A collection and its source bucket.

    Attributes:
        collection: the collection of the projection.
        documents: the bucket.
        row_of: converts key, revision and document to a row.
    """

    collection: Collection
    documents: Documents[DocT]
    row_of: RowOf[DocT]

    async def read(self, key: str) -> Row | None:
        """Read the current row of a key from the bucket; None if the key does not exist. Raises TransientError."""
        entry = await self.documents.find(key)
        return self.row(entry) if entry else None

    def row(self, entry: Stored[DocT] | Buried[DocT]) -> Row:
        """Return the row of an entry."""
        if isinstance(entry, Buried):
            return tombstone_row(self.collection, entry, self.row_of)
        return self.row_of(entry.key, entry.revision, entry.document)

    def changed(self, change: Change[DocT]) -> Row:
        """Return the row of a change."""
        if change.document is not None:
            return self.row_of(change.key, change.revision, change.document)
        return self.row(Buried(change.key, change.deletion, change.revision))
