"""The projection in this process: for tests and for looking at how the queries are meant."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from klever_gateway.domain.queries import ModelSummary, Page, ProjectSummary, Query
from klever_gateway.domain.rows import Collection, Row, is_settled, takes_over


class InMemoryProjection:
    """See `klever_gateway.ports.Projection`."""

    def __init__(self) -> None:
        self._rows: dict[Collection, dict[str, Row]] = {collection: {} for collection in Collection}
        self._loaded: set[Collection] = set()

    async def replace(self, collection: Collection, rows: Iterable[Row]) -> None:
        """See `Projection`."""
        fresh = {row.key: row for row in rows}
        for key, row in self._rows[collection].items():
            if row.accepted and not is_settled(row, fresh.get(key)):
                fresh[key] = row
        self._rows[collection] = fresh
        self._loaded.add(collection)

    async def apply(self, collection: Collection, key: str, row: Row | None, revision: int) -> None:
        """See `Projection`."""
        rows = self._rows[collection]
        if not takes_over(rows.get(key), row, revision):
            return
        if row is None:
            del rows[key]
        else:
            rows[key] = row

    async def accept(self, collection: Collection, row: Row) -> None:
        """See `Projection`."""
        present = self._rows[collection].get(row.key)
        if present is None or present.accepted or not is_settled(row, present):
            self._rows[collection][row.key] = row

    async def is_loaded(self, collection: Collection) -> bool:
        """See `Projection`."""
        return collection in self._loaded

    async def get(self, collection: Collection, key: str) -> Row | None:
        """See `Projection`."""
        return self._rows[collection].get(key)

    async def find(self, collection: Collection, query: Query) -> Page:
        """See `Projection`."""
        found = [row for row in self._rows[collection].values() if not row.hidden and _matches(row, query)]
        found.sort(key=lambda row: row.key)
        found.sort(key=lambda row: _sortable(row.columns[query.sort]), reverse=query.descending)
        shown = found[query.start : query.start + query.limit]
        return Page(len(found), tuple(row.body for row in shown))

    async def projects(self, *, start: int, limit: int) -> tuple[int, list[ProjectSummary]]:
        """See `Projection`."""
        groups = self._groups("project")
        found = [
            ProjectSummary(
                name=name,
                models=len({row.columns["model"] for row in rows}),
                versions=len(rows),
                updated_at=_latest(rows, "updated_at").columns["updated_at"],
            )
            for name, rows in groups
        ]
        return len(found), found[start : start + limit]

    async def models(self, project: str, *, start: int, limit: int) -> tuple[int, list[ModelSummary]]:
        """See `Projection`."""
        found = [
            ModelSummary(
                project=project,
                name=name,
                versions=len(rows),
                latest=str(_latest(rows, "created_at").columns["version"]),
                updated_at=_latest(rows, "updated_at").columns["updated_at"],
            )
            for name, rows in self._groups("model", project=project)
        ]
        return len(found), found[start : start + limit]

    def _groups(self, column: str, **where: str) -> list[tuple[str, list[Row]]]:
        matching = [
            row
            for row in self._rows[Collection.MODELS].values()
            if all(row.columns[name] == value for name, value in where.items())
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
    """Missing values come first, as in SQLite."""
    return (value is not None, value)


def _latest(rows: Sequence[Row], column: str) -> Row:
    return max(rows, key=lambda row: str(row.columns[column]))
