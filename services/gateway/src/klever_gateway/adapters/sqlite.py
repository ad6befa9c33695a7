"""The projection in a SQLite file.

One thread writes and one answers lists, each with a connection of its own; in WAL mode neither waits for the
other, so that a snapshot of a hundred thousand documents stops no read. A document by its key takes
microseconds and is read in place.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from klever_gateway.domain.queries import ModelSummary, Page, ProjectSummary, Query
from klever_gateway.domain.rows import Collection, Row, is_settled, takes_over

from .sqlite_schema import condition, connect, open_database, row_of, select, upsert, values

ResultT = TypeVar("ResultT")


class SqliteProjection:
    """See `klever_gateway.ports.Projection`.

    Args:
        path: the file; made where it is missing, and may be deleted whenever the gateway does not run.
    """

    def __init__(self, path: Path) -> None:
        self._writing = open_database(path)
        self._listing, self._getting = connect(path), connect(path)
        self._writer = ThreadPoolExecutor(1, "projection-writer")
        self._lister = ThreadPoolExecutor(1, "projection-lister")

    async def close(self) -> None:
        """Finish what is being written, then close the file."""
        for executor in (self._writer, self._lister):
            await asyncio.to_thread(executor.shutdown)
        for connection in (self._getting, self._listing, self._writing):
            connection.close()

    async def replace(self, collection: Collection, rows: Iterable[Row]) -> None:
        """See `Projection`."""
        await self._write(lambda database: _replace(database, collection, rows))

    async def apply(self, collection: Collection, key: str, row: Row | None, revision: int) -> None:
        """See `Projection`."""

        def change(database: sqlite3.Connection) -> None:
            if not takes_over(_get(database, collection, key), row, revision):
                return
            if row is None:
                database.execute(f"DELETE FROM {collection} WHERE key = ?", (key,))  # noqa: S608 - our names
            else:
                database.execute(upsert(collection), values(collection, row))

        await self._write(change)

    async def accept(self, collection: Collection, row: Row) -> None:
        """See `Projection`."""

        def change(database: sqlite3.Connection) -> None:
            present = _get(database, collection, row.key)
            if present is None or present.accepted or not is_settled(row, present):
                database.execute(upsert(collection), values(collection, row))

        await self._write(change)

    async def is_loaded(self, collection: Collection) -> bool:
        """See `Projection`."""
        query = "SELECT 1 FROM loaded WHERE collection = ?"
        return self._getting.execute(query, (collection.value,)).fetchone() is not None

    async def get(self, collection: Collection, key: str) -> Row | None:
        """See `Projection`."""
        return _get(self._getting, collection, key)

    async def find(self, collection: Collection, query: Query) -> Page:
        """See `Projection`."""
        where, parameters = condition(collection, query)
        direction = "DESC" if query.descending else "ASC"
        order = f"{query.sort} {direction}, key LIMIT ? OFFSET ?"
        count = f"SELECT COUNT(*) FROM {collection} WHERE {where}"  # noqa: S608 - our names, checked
        part = f"SELECT body FROM {collection} WHERE {where} ORDER BY {order}"  # noqa: S608 - as above

        def page(database: sqlite3.Connection) -> Page:
            (total,) = database.execute(count, parameters).fetchone()
            found = database.execute(part, (*parameters, query.limit, query.start))
            return Page(total, tuple(body for (body,) in found))

        return await self._list(page)

    async def projects(self, *, start: int, limit: int) -> tuple[int, list[ProjectSummary]]:
        """See `Projection`."""

        def summary(database: sqlite3.Connection) -> tuple[int, list[ProjectSummary]]:
            (total,) = database.execute("SELECT COUNT(DISTINCT project) FROM models WHERE NOT hidden").fetchone()
            found = database.execute(
                "SELECT project, COUNT(DISTINCT model), COUNT(*), MAX(updated_at) FROM models "
                "WHERE NOT hidden GROUP BY project ORDER BY project LIMIT ? OFFSET ?",
                (limit, start),
            )
            names = ("name", "models", "versions", "updated_at")
            return total, [ProjectSummary(**dict(zip(names, each, strict=True))) for each in found]

        return await self._list(summary)

    async def models(self, project: str, *, start: int, limit: int) -> tuple[int, list[ModelSummary]]:
        """See `Projection`."""

        def summary(database: sqlite3.Connection) -> tuple[int, list[ModelSummary]]:
            count = "SELECT COUNT(DISTINCT model) FROM models WHERE NOT hidden AND project = ?"
            (total,) = database.execute(count, (project,)).fetchone()
            found = database.execute(
                "SELECT model, COUNT(*), MAX(updated_at), (SELECT version FROM models AS newest "
                "WHERE NOT newest.hidden AND newest.project = models.project AND newest.model = models.model "
                "ORDER BY created_at DESC LIMIT 1) FROM models WHERE NOT hidden AND project = ? "
                "GROUP BY model ORDER BY model LIMIT ? OFFSET ?",
                (project, limit, start),
            )
            names = ("name", "versions", "updated_at", "latest")
            rows = [dict(zip(names, each, strict=True)) for each in found]
            return total, [ModelSummary(project=project, **row) for row in rows]

        return await self._list(summary)

    async def _write(self, change: Callable[[sqlite3.Connection], None]) -> None:
        def transaction() -> None:
            with self._writing:
                self._writing.execute("BEGIN IMMEDIATE")
                change(self._writing)

        await asyncio.get_running_loop().run_in_executor(self._writer, transaction)

    async def _list(self, read: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
        return await asyncio.get_running_loop().run_in_executor(self._lister, read, self._listing)


def _get(database: sqlite3.Connection, collection: Collection, key: str) -> Row | None:
    found = database.execute(f"{select(collection)} WHERE key = ?", (key,)).fetchone()
    return row_of(collection, found) if found else None


def _replace(database: sqlite3.Connection, collection: Collection, rows: Iterable[Row]) -> None:
    unanswered = database.execute(f"{select(collection)} WHERE accepted")
    accepted = [row_of(collection, each) for each in unanswered.fetchall()]
    database.execute(f"DELETE FROM {collection}")  # noqa: S608 - our names
    database.executemany(upsert(collection), (values(collection, row) for row in rows))
    for row in accepted:
        if not is_settled(row, _get(database, collection, row.key)):
            database.execute(upsert(collection), values(collection, row))
    database.execute("INSERT OR REPLACE INTO loaded VALUES (?)", (collection.value,))
