"""An in-memory projection, for tests and as a readable reference for the queries."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from klever_gateway.domain.queries import ModelSummary, Page, ProjectSummary, Query
from klever_gateway.domain.rows import Collection, Row, is_settled, takes_over
from kleverkit.documents import Incarnation


class InMemoryProjection:
    """See `klever_gateway.ports.Projection`."""

    def __init__(self) -> None:
        self._rows: dict[Collection, dict[str, Row]] = {collection: {} for collection in Collection}
        self._incarnations: dict[Collection, Incarnation] = {}

    async def replace(
        self, collection: Collection, rows: Iterable[Row], incarnation: Incarnation, *, keep_missing: bool = False
    ) -> None:
        """See `Projection`."""
        fresh = {
            key: replace(row, stale=True)
            for key, row in self._rows[collection].items()
            if row.stale or (keep_missing and not row.hidden and not row.accepted)
        }
        fresh |= {row.key: row for row in rows}
        for row in await self.accepted(collection):
            if not is_settled(row, fresh.get(row.key)):
                fresh[row.key] = row
        self._rows[collection] = fresh
        self._incarnations[collection] = incarnation

    async def apply(self, collection: Collection, row: Row) -> None:
        """See `Projection`."""
        if takes_over(self._rows[collection].get(row.key), row):
            self._rows[collection][row.key] = row
        if known := self._incarnations.get(collection):
            last = max(known.last_sequence, row.revision)
            self._incarnations[collection] = Incarnation(known.created, last)

    async def last_incarnation(self, collection: Collection) -> Incarnation | None:
        """See `Projection`."""
        return self._incarnations.get(collection)

    async def accept(self, collection: Collection, row: Row) -> None:
        """See `Projection`."""
        present = self._rows[collection].get(row.key)
        if present is None or present.accepted or not is_settled(row, present):
            self._rows[collection][row.key] = row

    async def accepted(self, collection: Collection) -> list[Row]:
        """See `Projection`."""
        return [row for row in self._rows[collection].values() if row.accepted]

    async def settle(self, collection: Collection, accepted: Row, owner: Row | None) -> None:
        """See `Projection`."""
        if self._rows[collection].get(accepted.key) != accepted:
            return
        del self._rows[collection][accepted.key]
        if owner is not None:
            self._rows[collection][owner.key] = owner

    async def stale(self, collection: Collection) -> int:
        """See `Projection`."""
        return sum(row.stale for row in self._rows[collection].values())

    async def drop_stale(self, collection: Collection) -> None:
        """See `Projection`."""
        self._rows[collection] = {key: row for key, row in self._rows[collection].items() if not row.stale}

    async def is_loaded(self, collection: Collection) -> bool:
        """See `Projection`."""
        return collection in self._incarnations

    async def get(self, collection: Collection, key: str) -> Row | None:
        """See `Projection`."""
        row = self._rows[collection].get(key)
        return row if row and not row.hidden else None

    async def last(self, collection: Collection, key: str) -> Row | None:
        """See `Projection`."""
        return self._rows[collection].get(key)

    async def find(self, collection: Collection, query: Query) -> Page:
        """See `Projection`."""
        rows = [row for row in self._rows[collection].values() if not row.hidden and _matches(row, query)]
        rows.sort(key=lambda row: row.key)
        rows.sort(key=lambda row: _sortable(row.columns[query.sort]), reverse=query.descending)
        shown = rows[query.start : query.start + query.limit]
        return Page(len(rows), tuple(row.body for row in shown))

    async def counts(self, collection: Collection, *columns: str) -> dict[tuple[str, ...], int]:
        """See `Projection`."""
        shown = [row for row in self._rows[collection].values() if not row.hidden]
        return dict(Counter(tuple(str(row.columns[name]) for name in columns) for row in shown))

    async def projects(self, *, start: int, limit: int) -> tuple[int, list[ProjectSummary]]:
        """See `Projection`."""
        groups = self._groups("project")
        summaries = [
            ProjectSummary(
                name=name,
                models=len({row.columns["model"] for row in rows}),
                versions=len(rows),
                updated_at=_latest(rows, "updated_at").columns["updated_at"],
            )
            for name, rows in groups
        ]
        return len(summaries), summaries[start : start + limit]

    async def models(self, project: str, *, start: int, limit: int) -> tuple[int, list[ModelSummary]]:
        """See `Projection`."""
        summaries = [
            ModelSummary(
                project=project,
                name=name,
                versions=len(rows),
                latest=str(_latest(rows, "created_at").columns["version"]),
                updated_at=_latest(rows, "updated_at").columns["updated_at"],
            )
            for name, rows in self._groups("model", project=project)
        ]
        return len(summaries), summaries[start : start + limit]

    def _groups(self, column: str, **where: str) -> list[tuple[str, list[Row]]]:
        matching = [
            row
            for row in self._rows[Collection.MODELS].values()
            if not row.hidden and all(row.columns[name] == value for name, value in where.items())
        ]
        matching.sort(key=lambda row: str(row.columns[column]))
        return [(str(name), list(rows)) for name, rows in groupby(matching, lambda row: row.columns[column])]


def _matches(row: Row, query: Query) -> bool:
    if any(row.columns[name] != value for name, value in query.where.items()):
        return False
    created = str(row.columns["created_at"])
    if (query.since and created < query.since) or (query.until and created >= query.until):
        return False
    return query.text is None or query.text in str(row.columns["search"])


def _sortable(value: Any) -> tuple[bool, Any]:
    """Return a sort key that puts missing values first, as SQLite does."""
    return (value is not None, value)


def _latest(rows: Sequence[Row], column: str) -> Row:
    return max(rows, key=lambda row: str(row.columns[column]))
