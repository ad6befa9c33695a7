"""Keeps the projection what the buckets are."""

from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

from klever_gateway.domain.rows import Collection, Row
from klever_gateway.ports import Projection
from kleverkit.documents import Documents, Snapshot
from kleverproto.base import WireModel

from .arrivals import Arrivals

DocT = TypeVar("DocT", bound=WireModel)
RowOf = Callable[[str, int, DocT], Row]

log = structlog.get_logger(__name__)


class Projector(Generic[DocT]):
    """Follows one bucket for ever.

    Args:
        collection: where the documents go.
        documents: the bucket.
        row_of: key, revision and document to row.
        projection: what is kept up to date.
        arrivals: told after each change.
    """

    def __init__(
        self,
        collection: Collection,
        documents: Documents[DocT],
        row_of: RowOf[DocT],
        *,
        projection: Projection,
        arrivals: Arrivals,
    ) -> None:
        self._collection = collection
        self._documents = documents
        self._row_of = row_of
        self._projection = projection
        self._arrivals = arrivals
        self._caught_up = False

    async def run(self) -> None:
        """The background loop."""
        async for step in self._documents.changes():
            if isinstance(step, Snapshot):
                rows = (self._row_of(each.key, each.revision, each.document) for each in step.documents)
                await self._projection.replace(self._collection, rows)
                self._caught_up = True
                log.info("projection filled", collection=self._collection, documents=len(step.documents))
            else:
                row = self._row_of(step.key, step.revision, step.document) if step.document else None
                await self._projection.apply(self._collection, step.key, row, step.revision)
            self._arrivals.announce()

    async def is_caught_up(self) -> bool:
        """A readiness check: whether the bucket was read since this process began."""
        return self._caught_up
