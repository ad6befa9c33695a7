"""One suite for every projection: SQLite and memory."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from klever_gateway.adapters.memory import InMemoryProjection
from klever_gateway.adapters.sqlite import SqliteProjection
from klever_gateway.domain.queries import Query
from klever_gateway.domain.rows import Collection, Row, model_row, serving_row, tombstone_row
from klever_gateway.ports import Projection
from kleverkit.documents import Buried, Incarnation
from kleverproto.documents import Intent, Tombstone
from kleverproto.servings import ServingDocument, ServingPhase
from kleverproto.signatures import Signature
from support.gateway import NOW, serving_document, version_document

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
    sequence: int = 0,
) -> Row:
    return replace(
        serving_row(name, revision, serving_document(name, generation=generation, phase=phase)), sequence=sequence
    )


def tombstone(revision: int = 2, *, sequence: int = 0, document: bool = True) -> Row:
    grave = Tombstone[ServingDocument](
        document=serving_document() if document else None,
        intent=Intent(sequence=sequence, event_id="deletion", correlation_id="deletion"),
        deleted_at=NOW,
    )
    return tombstone_row(SERVINGS, Buried("iris", grave, revision), serving_row)


def requested(generation: int, *, sequence: int = 0) -> Row:
    row = serving(revision=0, generation=generation, phase=ServingPhase.PENDING, sequence=sequence)
    return replace(row, accepted=True, event_id="request")


DELETION = replace(serving(revision=0, phase=ServingPhase.DELETING), accepted=True, event_id="deletion")
BUCKET = Incarnation(NOW, 9)
ANOTHER = Incarnation(NOW + timedelta(days=1), 2)


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
    await projection.apply(MODELS, row)
    assert await projection.get(MODELS, row.key) == row
    assert await projection.get(MODELS, "nothing") is None


async def test_a_snapshot_replaces_only_the_rows_of_its_collection(projection: Projection) -> None:
    assert not await projection.is_loaded(MODELS)
    await projection.replace(MODELS, [version("a/a:v1"), version("a/b:v1")], BUCKET)
    await projection.replace(SERVINGS, [serving()], BUCKET)
    await projection.replace(MODELS, [version("a/b:v1", revision=4)], BUCKET)
    assert await projection.is_loaded(MODELS)
    assert (await projection.find(MODELS, Query())).total == 1
    assert (await projection.find(SERVINGS, Query())).total == 1


async def test_an_older_revision_changes_nothing(projection: Projection) -> None:
    new = serving(revision=5, generation=2)
    await projection.apply(SERVINGS, new)
    await projection.apply(SERVINGS, serving(revision=4))
    await projection.apply(SERVINGS, tombstone(3))
    assert await projection.get(SERVINGS, new.key) == new
    await projection.apply(SERVINGS, tombstone(6))
    assert await projection.get(SERVINGS, new.key) is None


async def test_the_bucket_and_the_last_change_are_remembered(projection: Projection) -> None:
    assert await projection.last_incarnation(SERVINGS) is None
    await projection.replace(SERVINGS, [serving()], BUCKET)
    await projection.apply(SERVINGS, serving(revision=12))
    await projection.apply(SERVINGS, serving(revision=11))
    assert await projection.last_incarnation(SERVINGS) == replace(BUCKET, last_sequence=12)
    assert await projection.last_incarnation(MODELS) is None


async def test_a_row_missing_from_a_new_bucket_is_stale_until_it_is_restored_or_given_up(
    projection: Projection,
) -> None:
    rows = [serving("a", 7), serving("b", 8), serving("c", 9)]
    await projection.replace(SERVINGS, rows, BUCKET)
    restored = serving("b", 1)
    await projection.replace(SERVINGS, [restored], ANOTHER, keep_missing=True)
    assert await projection.stale(SERVINGS) == 2
    assert await projection.get(SERVINGS, "a") == replace(rows[0], stale=True)
    assert await projection.get(SERVINGS, "b") == restored
    await projection.apply(SERVINGS, serving("a", 2, generation=5))
    assert await projection.get(SERVINGS, "a") == serving("a", 2, generation=5)
    await projection.replace(SERVINGS, [serving("a", 2, generation=5), restored], ANOTHER)
    assert await found(projection, Query(), SERVINGS) == [serving("a", generation=5).body, restored.body, rows[2].body]
    await projection.drop_stale(SERVINGS)
    assert await projection.get(SERVINGS, "c") is None
    assert await projection.stale(SERVINGS) == 0


async def test_a_deletion_in_a_new_bucket_removes_a_stale_row(projection: Projection) -> None:
    await projection.replace(SERVINGS, [serving(revision=9)], BUCKET)
    await projection.replace(SERVINGS, [], ANOTHER, keep_missing=True)
    await projection.apply(SERVINGS, tombstone(1, document=False))
    assert await projection.get(SERVINGS, "iris") is None
    assert await projection.stale(SERVINGS) == 0


async def test_a_version_is_found_by_its_parsed_format(projection: Projection) -> None:
    document = version_document(fmt=None)
    status = document.status.model_copy(update={"signature": Signature(format="ONNX")})
    row = model_row(document.spec.ref.key, 2, document.model_copy(update={"status": status}))
    await projection.replace(MODELS, [version("library/other:v1", fmt="PMML"), row], BUCKET)
    assert await found(projection, Query(where={"format": "ONNX"})) == [row.body]


async def test_lists_are_filtered_sorted_and_paged(projection: Projection) -> None:
    rows = [version(f"p{n % 2}/m:v{n}", n, fmt="ONNX" if n < 4 else "PMML") for n in range(1, 7)]
    await projection.replace(MODELS, rows, BUCKET)
    by_size = Query(sort="size", descending=True, start=1, limit=2)
    page = await projection.find(MODELS, by_size)
    assert (page.total, list(page.bodies)) == (6, [rows[4].body, rows[3].body])
    assert await found(projection, Query(where={"project": "p0", "format": "ONNX"})) == [rows[1].body]
    assert await found(projection, Query(text="p1/m:v5")) == [rows[4].body]
    assert await found(projection, Query(text="100%_")) == []
    assert await found(projection, Query(start=100)) == []


async def test_rows_with_equal_sort_keys_keep_a_stable_order(projection: Projection) -> None:
    rows = [version(f"a/m{n}:v1") for n in range(5)]
    await projection.replace(MODELS, reversed(rows), BUCKET)
    pages = [await found(projection, Query(sort="size", start=n, limit=1)) for n in range(5)]
    assert [body for page in pages for body in page] == [row.body for row in rows]


async def test_documents_are_counted_by_columns_without_tombstones(projection: Projection) -> None:
    ready, failed = serving("a"), serving("b", phase=ServingPhase.FAILED)
    await projection.replace(SERVINGS, [ready, failed, serving("c"), tombstone()], BUCKET)
    assert await projection.counts(SERVINGS, "phase") == {("Ready",): 2, ("Failed",): 1}
    assert await projection.counts(SERVINGS, "namespace", "phase") == {
        ("default", "Ready"): 2,
        ("default", "Failed"): 1,
    }
    assert await projection.counts(MODELS, "extraction") == {}


async def test_projects_and_models_are_counted(projection: Projection) -> None:
    refs = ("a/x:v1", "a/x:v2", "a/y:v1", "b/x:v1")
    await projection.replace(MODELS, [version(ref, n) for n, ref in enumerate(refs, 1)], BUCKET)
    total, projects = await projection.projects(start=0, limit=1)
    assert (total, [(each.name, each.models, each.versions) for each in projects]) == (2, [("a", 2, 3)])
    total, models = await projection.models("a", start=0, limit=10)
    assert (total, [(each.name, each.versions, each.latest) for each in models]) == (
        2,
        [("x", 2, "v2"), ("y", 1, "v1")],
    )
    assert await projection.models("nothing", start=0, limit=10) == (0, [])


@pytest.mark.parametrize("document", [True, False])
async def test_tombstones_are_kept_but_not_listed(projection: Projection, *, document: bool) -> None:
    row = tombstone(document=document)
    await projection.replace(SERVINGS, [row], BUCKET)
    assert await projection.last(SERVINGS, row.key) == row
    assert await projection.get(SERVINGS, row.key) is None
    assert await found(projection, Query(), SERVINGS) == []


@pytest.mark.parametrize(
    ("before", "accepted", "owner", "stays"),
    [
        pytest.param(None, requested(1), serving("other"), True, id="nothing about it yet"),
        pytest.param(serving(), requested(2), serving(revision=2), True, id="an update of the old generation"),
        pytest.param(serving(), requested(2), serving(revision=2, generation=2), False, id="its generation"),
        pytest.param(serving(), requested(2), serving(revision=2, generation=3), False, id="a newer one"),
        pytest.param(
            serving(), requested(2, sequence=7), serving(revision=2, sequence=7), False, id="its request, refused"
        ),
        pytest.param(serving(), requested(2, sequence=7), serving(revision=2, sequence=9), False, id="a later request"),
        pytest.param(
            serving(sequence=5),
            requested(1, sequence=7),
            serving(revision=2, generation=1, sequence=6),
            True,
            id="an earlier request",
        ),
        pytest.param(None, requested(1, sequence=7), tombstone(sequence=8, document=False), False, id="deleted before"),
        pytest.param(None, requested(2, sequence=7), tombstone(sequence=6), True, id="deleted, then wanted again"),
        pytest.param(serving(), DELETION, serving(revision=2), True, id="not deleting yet"),
        pytest.param(serving(), DELETION, tombstone(), False, id="deleted now"),
        pytest.param(serving(), DELETION, serving(revision=2, generation=2), False, id="wanted again"),
    ],
)
@pytest.mark.parametrize("by", ["change", "snapshot"])
async def test_an_accepted_document_is_shown_until_the_owner_has_answered(
    projection: Projection, before: Row | None, accepted: Row, owner: Row, *, stays: bool, by: str
) -> None:
    await projection.replace(SERVINGS, [before] if before else [], BUCKET)
    await projection.accept(SERVINGS, accepted)
    if by == "change":
        await projection.apply(SERVINGS, owner)
    else:
        await projection.replace(SERVINGS, [owner], BUCKET)
    expected = accepted if stays else owner
    assert await projection.last(SERVINGS, "iris") == expected


async def test_the_owners_document_settles_an_accepted_one(projection: Projection) -> None:
    await projection.replace(SERVINGS, [], BUCKET)
    accepted = requested(1)
    for owner in (serving(revision=3), None):
        await projection.accept(SERVINGS, accepted)
        assert await projection.accepted(SERVINGS) == [accepted]
        await projection.settle(SERVINGS, accepted, owner)
        assert await projection.get(SERVINGS, "iris") == owner
        assert await projection.accepted(SERVINGS) == []
        await projection.replace(SERVINGS, [], BUCKET)


async def test_a_superseded_request_is_not_settled(projection: Projection) -> None:
    await projection.accept(SERVINGS, requested(1, sequence=1))
    newer = replace(requested(2, sequence=2), event_id="another")
    await projection.accept(SERVINGS, newer)
    await projection.settle(SERVINGS, requested(1, sequence=1), None)
    assert await projection.get(SERVINGS, "iris") == newer


async def test_a_pending_request_survives_a_new_bucket(projection: Projection) -> None:
    await projection.replace(SERVINGS, [serving(revision=9)], BUCKET)
    await projection.accept(SERVINGS, requested(2, sequence=7))
    await projection.replace(SERVINGS, [], ANOTHER, keep_missing=True)
    assert await projection.get(SERVINGS, "iris") == requested(2, sequence=7)
    answer = serving(revision=1, generation=2, sequence=7)
    await projection.apply(SERVINGS, answer)
    assert await projection.get(SERVINGS, "iris") == answer


async def test_an_answer_that_precedes_the_acceptance_wins(projection: Projection) -> None:
    owner = serving(revision=3, generation=2)
    await projection.replace(SERVINGS, [owner], BUCKET)
    await projection.accept(SERVINGS, requested(2))
    assert await projection.get(SERVINGS, "iris") == owner


async def test_concurrent_writes_and_reads_do_not_disturb_each_other(projection: Projection) -> None:
    async def write(number: int) -> None:
        await projection.apply(MODELS, version(f"a/m{number}:v1", revision=number + 1))

    await asyncio.gather(*map(write, range(50)), *(found(projection, Query()) for _ in range(50)))
    assert (await projection.find(MODELS, Query())).total == 50


@pytest.mark.parametrize("damage", ["garbage", "another schema"])
async def test_an_unusable_file_is_recreated(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "projection.sqlite"
    if damage == "garbage":
        path.write_bytes(b"this is not a database" * 1000)
    else:
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA user_version = 99")
        connection.close()
    database = SqliteProjection(path)
    await database.replace(SERVINGS, [serving()], BUCKET)
    assert (await database.find(SERVINGS, Query())).total == 1
    await database.close()
