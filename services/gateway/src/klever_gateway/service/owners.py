"""What the owner of a collection has in its bucket, as rows."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from klever_gateway.domain.rows import Collection, Row, RowOf, tombstone_row
from kleverkit.documents import Buried, Change, Documents, Stored
from kleverproto.base import WireModel

DocT = TypeVar("DocT", bound=WireModel)


@dataclass(frozen=True)
class Owned(Generic[DocT]):
    """A collection and the bucket that it is a copy of.

    Attributes:
        collection: where the documents go.
        documents: the bucket.
        row_of: key, revision and document to row.
    """

    collection: Collection
    documents: Documents[DocT]
    row_of: RowOf[DocT]

    async def read(self, key: str) -> Row | None:
        """What the bucket holds now under a key. Raises TransientError."""
        entry = await self.documents.find(key)
        return self.row(entry) if entry else None

    def row(self, entry: Stored[DocT] | Buried[DocT]) -> Row:
        """The row of an entry."""
        if isinstance(entry, Buried):
            return tombstone_row(self.collection, entry, self.row_of)
        return self.row_of(entry.key, entry.revision, entry.document)

    def changed(self, change: Change[DocT]) -> Row:
        """The row of a change."""
        if change.document is not None:
            return self.row_of(change.key, change.revision, change.document)
        return self.row(Buried(change.key, change.deletion, change.revision))
