"""The tables of the projection and their SQL statements, generated from the list of columns."""

import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from klever_gateway.domain.queries import Query
from klever_gateway.domain.rows import COLUMNS, Collection, Row, Value

SCHEMA_VERSION = 3
"""A file of another version is deleted and rebuilt, because it is a cache."""

FIXED = (
    *("key", "revision", "body", "generation", "hidden", "ending", "stale"),
    *("event_id", "sequence", "accepted"),
)
FLAGS = ("hidden", "ending", "stale", "accepted")
INDEXES = {
    Collection.MODELS: (
        *("project, model, updated_at", "created_at, key", "updated_at, key", "size, key"),
        *("version, key", "format, created_at", "extraction, created_at"),
    ),
    Collection.JOBS: ("namespace, created_at", "namespace, updated_at", "phase, created_at"),
    Collection.SERVINGS: ("namespace, name", "created_at, key", "updated_at, key"),
    Collection.POLICIES: (),
}


def open_database(path: Path) -> sqlite3.Connection:
    """Open the database. Creates the file if it is missing, unreadable or of another version."""
    try:
        return _opened(path)
    except sqlite3.DatabaseError:
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _opened(path)


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection. Several threads may use it, one at a time."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")  # after a crash of the machine the file is rebuilt
    connection.execute("PRAGMA cache_size = -65536")
    return connection


def upsert(collection: Collection) -> str:
    """Return the statement that stores a row."""
    columns = (*FIXED, *COLUMNS[collection])
    marks = ", ".join("?" * len(columns))
    return f"INSERT OR REPLACE INTO {collection} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - our names


def values(collection: Collection, row: Row) -> tuple[Value, ...]:
    """Return the parameters of `upsert` for a row."""
    return (*(getattr(row, name) for name in FIXED), *(row.columns[name] for name in COLUMNS[collection]))


def row_of(collection: Collection, stored: Sequence[Value]) -> Row:
    """Return the row of stored values: the inverse of `values`."""
    fixed = dict(zip(FIXED, stored, strict=False))
    flags = {name: bool(fixed.pop(name)) for name in FLAGS}
    columns = dict(zip(COLUMNS[collection], stored[len(FIXED) :], strict=True))
    return Row(**fixed, **flags, columns=columns)  # type: ignore[arg-type] # the table's types are those of Row


def select(collection: Collection) -> str:
    """Return the statement that reads whole rows."""
    return f"SELECT {', '.join((*FIXED, *COLUMNS[collection]))} FROM {collection}"  # noqa: S608 - our names


def checked(collection: Collection, *columns: str) -> tuple[str, ...]:
    """Return the columns. Raises ValueError if the collection does not have one of them."""
    unknown = set(columns) - set(COLUMNS[collection])
    if unknown:
        raise ValueError(f"{collection} has no columns {unknown}")
    return columns


def condition(collection: Collection, query: Query) -> tuple[str, list[Value]]:
    """Return the WHERE clause of a query and its parameters."""
    checked(collection, *query.where, query.sort)
    parts = ["NOT hidden", *(f"{name} = ?" for name in query.where)]
    parameters = list(query.where.values())
    for bound, comparison in ((query.since, ">="), (query.until, "<")):
        if bound is not None:
            parts.append(f"created_at {comparison} ?")
            parameters.append(bound)
    if query.text is not None:
        parts.append("instr(search, ?) > 0")
        parameters.append(query.text)
    return " AND ".join(parts), parameters


def _opened(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        connection = connect(path)
        stack.callback(connection.close)
        _check_version(connection)
        connection.executescript(_schema())
        stack.pop_all()
    return connection


def _check_version(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in {0, SCHEMA_VERSION}:
        raise sqlite3.DatabaseError(f"the file has schema {version}, not {SCHEMA_VERSION}")


def _schema() -> str:
    loaded = "collection TEXT PRIMARY KEY, created TEXT, last_sequence INTEGER"
    statements = [f"CREATE TABLE IF NOT EXISTS loaded ({loaded}) WITHOUT ROWID"]
    for collection, columns in COLUMNS.items():
        typed = ", ".join(f"{name} {'INTEGER' if name == 'size' else 'TEXT'}" for name in columns)
        statements.append(
            f"CREATE TABLE IF NOT EXISTS {collection} (key TEXT PRIMARY KEY, revision INTEGER, body TEXT, "
            f"generation INTEGER, hidden INTEGER, ending INTEGER, stale INTEGER, event_id TEXT, sequence INTEGER, "
            f"accepted INTEGER, {typed})"
        )
        statements += [
            f"CREATE INDEX IF NOT EXISTS {collection}_{number} ON {collection} ({indexed}) WHERE NOT hidden"
            for number, indexed in enumerate(INDEXES[collection])
        ]
    statements.append(f"PRAGMA user_version = {SCHEMA_VERSION}")
    return ";\n".join(statements)
