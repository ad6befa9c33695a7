"""One suite for every projection: SQLite and memory."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from klever_gateway.adapters.memory import InMemoryProjection
from klever_gateway.adapters.sqlite import SqliteProjection
from klever_gateway.domain.queries import Query
from klever_gateway.domain.rows import Collection, Row, model_row, serving_row
from klever_gateway.ports import Projection
from kleverproto.servings import ServingPhase
from support.gateway import serving_document, version_document

MODELS, SERVINGS = Collection.MODELS, Collection.SERVINGS


def version(ref: str, number: int = 1, *, revision: int = 1, fmt: str = "ONNX") -> Row:
    document = version_document(ref, number=number, fmt=fmt)
    return model_row(document.spec.ref.key, revision, document)


def serving(
    name: str = "iris",
    revision: int = 1,
    *,
    generation: int = 1,
    phase: ServingPhase = ServingPhase.READY,
    accepted_by: str | None = None,
) -> Row:
    document = serving_document(name, generation=generation, phase=phase)
    return serving_row(name, revision, document, accepted_by=accepted_by)


def requested(generation: int) -> Row:
    return serving(revision=0, generation=generation, phase=ServingPhase.PENDING, accepted_by="request")


DELETION = serving(revision=0, phase=ServingPhase.DELETING, accepted_by="deletion")


@pytest.fixture(params=["sqlite", "memory"])
async def projection(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Projection]:
    if request.param == "memory":
        yield InMemoryProjection()
        return
    database = SqliteProjection(tmp_path / "projection.sqlite")
    yield database
    await database.close()


async def found(projection: Projection, query: Query, collection: Collection = MODELS) -> list[str]:
    return list((await projection.find(collection, query)).bodies)


async def test_a_row_is_read_back_as_it_was_stored(projection: Projection) -> None:
    row = version("library/iris:v1", 3)
    await projection.apply(MODELS, row.key, row, row.revision)
    assert await projection.get(MODELS, row.key) == row
    assert await projection.get(MODELS, "nothing") is None


async def test_a_snapshot_replaces_all_rows_of_its_collection_only(projection: Projection) -> None:
    assert not await projection.is_loaded(MODELS)
    await projection.replace(MODELS, [version("a/a:v1"), version("a/b:v1")])
    await projection.replace(SERVINGS, [serving()])
    await projection.replace(MODELS, [version("a/b:v1", revision=4)])
    assert await projection.is_loaded(MODELS)
    assert (await projection.find(MODELS, Query())).total == 1
    assert (await projection.find(SERVINGS, Query())).total == 1


async def test_an_older_revision_changes_nothing(projection: Projection) -> None:
    new = serving(revision=5, generation=2)
    await projection.apply(SERVINGS, new.key, new, 5)
    await projection.apply(SERVINGS, new.key, serving(revision=4), 4)
    await projection.apply(SERVINGS, new.key, None, 3)
    assert await projection.get(SERVINGS, new.key) == new
    await projection.apply(SERVINGS, new.key, None, 6)
    assert await projection.get(SERVINGS, new.key) is None


async def test_lists_are_filtered_sorted_and_paged(projection: Projection) -> None:
    rows = [version(f"p{n % 2}/m:v{n}", n, fmt="ONNX" if n < 4 else "PMML") for n in range(1, 7)]
    await projection.replace(MODELS, rows)
    by_size = Query(sort="size", descending=True, start=1, limit=2)
    page = await projection.find(MODELS, by_size)
    assert (page.total, list(page.bodies)) == (6, [rows[4].body, rows[3].body])
    assert await found(projection, Query(where={"project": "p0", "format": "ONNX"})) == [rows[1].body]
    assert await found(projection, Query(text="p1/m:v5")) == [rows[4].body]
    assert await found(projection, Query(text="100%_")) == []
    assert await found(projection, Query(start=100)) == []


async def test_rows_that_are_equal_in_the_sorted_column_keep_a_stable_order(projection: Projection) -> None:
    rows = [version(f"a/m{n}:v1") for n in range(5)]
    await projection.replace(MODELS, reversed(rows))
    pages = [await found(projection, Query(sort="size", start=n, limit=1)) for n in range(5)]
    assert [body for page in pages for body in page] == [row.body for row in rows]


async def test_projects_and_models_are_counted(projection: Projection) -> None:
    refs = ("a/x:v1", "a/x:v2", "a/y:v1", "b/x:v1")
    await projection.replace(MODELS, [version(ref, n) for n, ref in enumerate(refs, 1)])
    total, projects = await projection.projects(start=0, limit=1)
    assert (total, [(each.name, each.models, each.versions) for each in projects]) == (2, [("a", 2, 3)])
    total, models = await projection.models("a", start=0, limit=10)
    assert (total, [(each.name, each.versions, each.latest) for each in models]) == (
        2,
        [("x", 2, "v2"), ("y", 1, "v1")],
    )
    assert await projection.models("nothing", start=0, limit=10) == (0, [])


async def test_tombstones_are_kept_but_not_listed(projection: Projection) -> None:
    row = serving(phase=ServingPhase.DELETED)
    await projection.replace(SERVINGS, [row])
    assert await projection.get(SERVINGS, row.key) == row
    assert await found(projection, Query(), SERVINGS) == []


@pytest.mark.parametrize(
    ("before", "accepted", "owner", "stays"),
    [
        pytest.param(None, requested(1), serving("other"), True, id="nothing about it yet"),
        pytest.param(serving(), requested(2), serving(revision=2), True, id="an update of the old generation"),
        pytest.param(serving(), requested(2), serving(revision=2, generation=2), False, id="its generation"),
        pytest.param(serving(), requested(2), serving(revision=2, generation=3), False, id="a newer one"),
        pytest.param(
            serving(), requested(2), replace(serving(revision=2), event_id="request"), False, id="its request"
        ),
        pytest.param(serving(), DELETION, serving(revision=2), True, id="not deleting yet"),
        pytest.param(serving(), DELETION, serving(revision=2, phase=ServingPhase.DELETED), False, id="deleted now"),
        pytest.param(serving(), DELETION, serving(revision=2, generation=2), False, id="wanted again"),
    ],
)
@pytest.mark.parametrize("by", ["change", "snapshot"])
async def test_what_was_accepted_shows_until_the_owner_has_answered(
    projection: Projection, before: Row | None, accepted: Row, owner: Row, *, stays: bool, by: str
) -> None:
    await projection.replace(SERVINGS, [before] if before else [])
    await projection.accept(SERVINGS, accepted)
    if by == "change":
        await projection.apply(SERVINGS, owner.key, owner, owner.revision)
    else:
        await projection.replace(SERVINGS, [owner])
    expected = accepted if stays else owner
    assert await projection.get(SERVINGS, "iris") == expected


async def test_a_deleted_key_ends_an_accepted_deletion_and_no_other_request(projection: Projection) -> None:
    for accepted, left in ((DELETION, None), (requested(2), requested(2))):
        await projection.replace(SERVINGS, [])
        await projection.accept(SERVINGS, accepted)
        await projection.apply(SERVINGS, "iris", None, 9)
        assert await projection.get(SERVINGS, "iris") == left


async def test_an_answer_that_came_before_the_acceptance_wins(projection: Projection) -> None:
    owner = serving(revision=3, generation=2)
    await projection.replace(SERVINGS, [owner])
    await projection.accept(SERVINGS, requested(2))
    assert await projection.get(SERVINGS, "iris") == owner


async def test_concurrent_writes_and_reads_do_not_disturb_each_other(projection: Projection) -> None:
    async def write(number: int) -> None:
        row = version(f"a/m{number}:v1", revision=number + 1)
        await projection.apply(MODELS, row.key, row, row.revision)

    await asyncio.gather(*map(write, range(50)), *(found(projection, Query()) for _ in range(50)))
    assert (await projection.find(MODELS, Query())).total == 50


@pytest.mark.parametrize("damage", ["garbage", "another schema"])
async def test_a_file_that_cannot_be_used_is_made_anew(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "projection.sqlite"
    if damage == "garbage":
        path.write_bytes(b"this is not a database" * 1000)
    else:
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA user_version = 99")
        connection.close()
    database = SqliteProjection(path)
    await database.replace(SERVINGS, [serving()])
    assert (await database.find(SERVINGS, Query())).total == 1
    await database.close()
