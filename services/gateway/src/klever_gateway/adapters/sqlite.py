"""The projection in a SQLite file.

One thread writes and one reads lists, each with its own connection. In WAL mode neither waits for the other: a
snapshot of a hundred thousand documents blocks no read. Reading one document by its key takes microseconds and is
done in the event loop.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from klever_gateway.domain.queries import ModelSummary, Page, ProjectSummary, Query
from klever_gateway.domain.rows import Collection, Row, is_settled, takes_over
from kleverkit.documents import Incarnation
from kleverkit.errors import TransientError

from .sqlite_schema import checked, condition, connect, open_database, row_of, select, upsert, values

ResultT = TypeVar("ResultT")


class SqliteProjection:
    """See `klever_gateway.ports.Projection`.

    Args:
        path: the file. Created if it is missing; may be deleted while the gateway is stopped.
    """

    def __init__(self, path: Path) -> None:
        self._write_database = open_database(path)
        self._list_database, self._get_database = connect(path), connect(path)
        self._writer = ThreadPoolExecutor(1, "projection-writer")
        self._lister = ThreadPoolExecutor(1, "projection-lister")

    async def close(self) -> None:
        """Finish pending writes, then close the file."""
        for executor in (self._writer, self._lister):
            await asyncio.to_thread(executor.shutdown)
        for connection in (self._get_database, self._list_database, self._write_database):
            connection.close()

    async def replace(
        self, collection: Collection, rows: Iterable[Row], incarnation: Incarnation, *, keep_missing: bool = False
    ) -> None:
        """See `Projection`."""
        await self._write(lambda database: _replace(database, collection, rows, incarnation, keep_missing=keep_missing))

    async def apply(self, collection: Collection, row: Row) -> None:
        """See `Projection`."""

        def change(database: sqlite3.Connection) -> None:
            if takes_over(_get(database, collection, row.key), row):
                database.execute(upsert(collection), values(collection, row))
            database.execute(
                "UPDATE loaded SET last_sequence = max(last_sequence, ?) WHERE collection = ?",
                (row.revision, collection.value),
            )

        await self._write(change)

    async def last_incarnation(self, collection: Collection) -> Incarnation | None:
        """See `Projection`."""
        query = "SELECT created, last_sequence FROM loaded WHERE collection = ?"
        stored = self._read(lambda database: database.execute(query, (collection.value,)).fetchone())
        return Incarnation(datetime.fromisoformat(stored[0]), stored[1]) if stored else None

    async def accept(self, collection: Collection, row: Row) -> None:
        """See `Projection`."""

        def change(database: sqlite3.Connection) -> None:
            present = _get(database, collection, row.key)
            if present is None or present.accepted or not is_settled(row, present):
                database.execute(upsert(collection), values(collection, row))

        await self._write(change)

    async def accepted(self, collection: Collection) -> list[Row]:
        """See `Projection`."""
        return self._read(lambda database: _accepted(database, collection))

    async def settle(self, collection: Collection, accepted: Row, owner: Row | None) -> None:
        """See `Projection`."""

        def change(database: sqlite3.Connection) -> None:
            if _get(database, collection, accepted.key) != accepted:
                return
            database.execute(f"DELETE FROM {collection} WHERE key = ?", (accepted.key,))  # noqa: S608 - our names
            if owner is not None:
                database.execute(upsert(collection), values(collection, owner))

        await self._write(change)

    async def stale(self, collection: Collection) -> int:
        """See `Projection`."""
        query = f"SELECT COUNT(*) FROM {collection} WHERE stale"  # noqa: S608 - our names
        (count,) = self._read(lambda database: database.execute(query).fetchone())
        return int(count)

    async def drop_stale(self, collection: Collection) -> None:
        """See `Projection`."""
        statement = f"DELETE FROM {collection} WHERE stale"  # noqa: S608 - our names
        await self._write(lambda database: database.execute(statement))

    async def is_loaded(self, collection: Collection) -> bool:
        """See `Projection`."""
        return await self.last_incarnation(collection) is not None

    async def get(self, collection: Collection, key: str) -> Row | None:
        """See `Projection`."""
        row = await self.last(collection, key)
        return row if row and not row.hidden else None

    async def last(self, collection: Collection, key: str) -> Row | None:
        """See `Projection`."""
        return self._read(lambda database: _get(database, collection, key))

    async def find(self, collection: Collection, query: Query) -> Page:
        """See `Projection`."""
        where, parameters = condition(collection, query)
        direction = "DESC" if query.descending else "ASC"
        order = f"{query.sort} {direction}, key LIMIT ? OFFSET ?"
        count = f"SELECT COUNT(*) FROM {collection} WHERE {where}"  # noqa: S608 - our names, checked
        part = f"SELECT body FROM {collection} WHERE {where} ORDER BY {order}"  # noqa: S608 - as above

        def page(database: sqlite3.Connection) -> Page:
            (total,) = database.execute(count, parameters).fetchone()
            stored = database.execute(part, (*parameters, query.limit, query.start))
            return Page(total, tuple(body for (body,) in stored))

        return await self._list(page)

    async def counts(self, collection: Collection, *columns: str) -> dict[tuple[str, ...], int]:
        """See `Projection`."""
        names = ", ".join(checked(collection, *columns))
        query = f"SELECT COUNT(*), {names} FROM {collection} WHERE NOT hidden GROUP BY {names}"  # noqa: S608 - checked
        rows = await self._list(lambda database: database.execute(query).fetchall())
        return {tuple(str(value) for value in values): count for count, *values in rows}

    async def projects(self, *, start: int, limit: int) -> tuple[int, list[ProjectSummary]]:
        """See `Projection`."""

        def summary(database: sqlite3.Connection) -> tuple[int, list[ProjectSummary]]:
            (total,) = database.execute("SELECT COUNT(DISTINCT project) FROM models WHERE NOT hidden").fetchone()
            stored = database.execute(
                "SELECT project, COUNT(DISTINCT model), COUNT(*), MAX(updated_at) FROM models "
                "WHERE NOT hidden GROUP BY project ORDER BY project LIMIT ? OFFSET ?",
                (limit, start),
            )
            names = ("name", "models", "versions", "updated_at")
            return total, [ProjectSummary(**dict(zip(names, each, strict=True))) for each in stored]

        return await self._list(summary)

    async def models(self, project: str, *, start: int, limit: int) -> tuple[int, list[ModelSummary]]:
        """See `Projection`."""

        def summary(database: sqlite3.Connection) -> tuple[int, list[ModelSummary]]:
            count = "SELECT COUNT(DISTINCT model) FROM models WHERE NOT hidden AND project = ?"
            (total,) = database.execute(count, (project,)).fetchone()
            stored = database.execute(
                "SELECT model, COUNT(*), MAX(updated_at), (SELECT version FROM models AS newest "
                "WHERE NOT newest.hidden AND newest.project = models.project AND newest.model = models.model "
                "ORDER BY created_at DESC LIMIT 1) FROM models WHERE NOT hidden AND project = ? "
                "GROUP BY model ORDER BY model LIMIT ? OFFSET ?",
                (project, limit, start),
            )
            names = ("name", "versions", "updated_at", "latest")
            rows = [dict(zip(names, each, strict=True)) for each in stored]
            return total, [ModelSummary(project=project, **row) for row in rows]

        return await self._list(summary)

    async def _write(self, change: Callable[[sqlite3.Connection], object]) -> None:
        def transaction() -> None:
            with self._write_database:
                self._write_database.execute("BEGIN IMMEDIATE")
                change(self._write_database)

        with _transient_errors():
            await asyncio.get_running_loop().run_in_executor(self._writer, transaction)

    async def _list(self, read: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
        with _transient_errors():
            return await asyncio.get_running_loop().run_in_executor(self._lister, read, self._list_database)

    def _read(self, read: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
        with _transient_errors():
            return read(self._get_database)


@contextmanager
def _transient_errors() -> Iterator[None]:
    """Raise SQLite's operational errors as TransientError: a full or unresponsive disk may recover."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise TransientError(f"the gateway's copy of the documents cannot be used: {error}") from error


def _get(database: sqlite3.Connection, collection: Collection, key: str) -> Row | None:
    stored = database.execute(f"{select(collection)} WHERE key = ?", (key,)).fetchone()
    return row_of(collection, stored) if stored else None


def _accepted(database: sqlite3.Connection, collection: Collection) -> list[Row]:
    stored = database.execute(f"{select(collection)} WHERE accepted").fetchall()
    return [row_of(collection, each) for each in stored]


def _replace(
    database: sqlite3.Connection,
    collection: Collection,
    rows: Iterable[Row],
    incarnation: Incarnation,
    *,
    keep_missing: bool,
) -> None:
    accepted = _accepted(database, collection)
    if keep_missing:
        database.execute(f"UPDATE {collection} SET stale = 1 WHERE NOT hidden AND NOT accepted")  # noqa: S608 - our names
    database.execute(f"DELETE FROM {collection} WHERE NOT stale")  # noqa: S608 - our names
    database.executemany(upsert(collection), (values(collection, row) for row in rows))
    for row in accepted:
        if not is_settled(row, _get(database, collection, row.key)):
            database.execute(upsert(collection), values(collection, row))
    stored = (collection.value, incarnation.created.isoformat(), incarnation.last_sequence)
    database.execute("INSERT OR REPLACE INTO loaded VALUES (?, ?, ?)", stored)
