"""A projector that receives no changes, and one that is stopped."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from klever_gateway.adapters.memory import InMemoryProjection
from klever_gateway.domain.rows import Collection, serving_row
from klever_gateway.service.arrivals import Arrivals
from klever_gateway.service.owners import Owned
from klever_gateway.service.projector import Projector
from kleverkit.documents import Change, Snapshot
from kleverkit.errors import TransientError
from kleverkit.memory_documents import InMemoryDocuments
from kleverkit.tasks import cancel
from kleverproto.servings import ServingDocument
from support.gateway import NOW, serving_document
from support.lost_cancellations import lose_cancellation
from support.waiting import eventually


class DeafDocuments(InMemoryDocuments[ServingDocument]):
    """A bucket whose watchers get a snapshot and no later change."""

    async def changes(self) -> AsyncIterator[Snapshot[ServingDocument] | Change[ServingDocument]]:  # type: ignore[override]
        async for step in super().changes():
            yield step
            await asyncio.Event().wait()


class LossyDocuments(InMemoryDocuments[ServingDocument]):
    """A bucket whose watchers lose their first cancellation."""

    async def changes(self) -> AsyncIterator[Snapshot[ServingDocument] | Change[ServingDocument]]:  # type: ignore[override]
        async for step in super().changes():
            yield step
            await lose_cancellation()
            await asyncio.Event().wait()


class FullProjection(InMemoryProjection):
    """A projection whose disk is full."""

    async def apply(self, *_args: object) -> None:
        raise TransientError("the disk is full")


def make_projector(
    documents: InMemoryDocuments[ServingDocument], projection: InMemoryProjection, *, look_seconds: float
) -> Projector[ServingDocument]:
    owned = Owned(Collection.SERVINGS, documents, serving_row)
    return Projector(owned, projection=projection, arrivals=Arrivals(), restore_seconds=60, look_seconds=look_seconds)


@asynccontextmanager
async def running(projector: Projector[ServingDocument]) -> AsyncIterator[None]:
    task = asyncio.create_task(projector.run())
    try:

        async def is_ready() -> bool:
            return await projector.check() is None

        await eventually(is_ready)
        yield
    finally:
        await cancel([task])


async def test_a_projection_whose_changes_do_not_arrive_is_not_ready() -> None:
    documents, projection = DeafDocuments(), InMemoryProjection()
    projector = make_projector(documents, projection, look_seconds=600)
    assert "not been read yet" in (await projector.check() or "")
    async with running(projector):
        await documents.create("iris", serving_document())
        assert "newer changes have not arrived" in (await projector.check() or "")


async def test_a_bucket_whose_changes_do_not_arrive_is_read_again() -> None:
    documents, projection = DeafDocuments(), InMemoryProjection()
    projector = make_projector(documents, projection, look_seconds=0.02)
    async with running(projector):
        await documents.create("iris", serving_document())

        async def is_shown() -> bool:
            return await projection.get(Collection.SERVINGS, "iris") is not None and await projector.check() is None

        assert await eventually(is_shown)


async def test_a_stopped_projector_leaves_no_task_that_follows_the_bucket() -> None:
    before = asyncio.all_tasks()
    async with running(make_projector(LossyDocuments(), InMemoryProjection(), look_seconds=600)):
        assert asyncio.all_tasks() > before
    assert asyncio.all_tasks() == before


async def test_a_change_that_cannot_be_stored_ends_readiness() -> None:
    documents = InMemoryDocuments[ServingDocument]()
    projector = make_projector(documents, FullProjection(), look_seconds=600)
    async with running(projector):
        await documents.create("iris", serving_document())
        assert "newer changes have not arrived" in (await projector.check() or "")


async def test_a_gateway_is_ready_again_when_a_restoration_takes_too_long() -> None:
    documents, projection = InMemoryDocuments[ServingDocument](), InMemoryProjection()
    lost = replace(await documents.incarnation(), created=NOW)
    await projection.replace(Collection.SERVINGS, [serving_row("iris", 9, serving_document())], lost)
    seconds = 0.0
    owned = Owned(Collection.SERVINGS, documents, serving_row)
    projector = Projector(
        owned, projection=projection, arrivals=Arrivals(), restore_seconds=60, look_seconds=0.01, clock=lambda: seconds
    )
    task = asyncio.create_task(projector.run())

    async def is_restoring() -> bool:
        return (await projector.check() or "").startswith("1 servings")

    await eventually(is_restoring)
    seconds = 30.0
    assert await projector.check() is None
    assert await projection.get(Collection.SERVINGS, "iris") is not None
    seconds = 61.0

    async def is_gone() -> bool:
        return await projection.get(Collection.SERVINGS, "iris") is None

    await eventually(is_gone)
    task.cancel()
    await asyncio.wait({task})
