"""The served models, over changes and losses of the bucket of servings."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from klever_registry.errors import UsageUnknownError
from klever_registry.service.usage import ServedModels
from kleverkit.memory_documents import InMemoryDocuments
from kleverproto.documents import Tombstone
from kleverproto.served import served_models
from kleverproto.servings import ServingDocument, VariantStatus, serving_key
from support.gateway import NOW, digest, serving_document, serving_spec
from support.waiting import eventually

KEY = serving_key("default", "iris")


class LosableBucket(InMemoryDocuments[ServingDocument]):
    """A bucket that can be lost and created again while it is followed."""

    def lose(self) -> None:
        watchers = self._watchers
        InMemoryDocuments.__init__(self)
        self._watchers = watchers


@asynccontextmanager
async def following(bucket: InMemoryDocuments[ServingDocument]) -> AsyncIterator[ServedModels]:
    served = ServedModels(bucket)
    task = asyncio.create_task(served.run())

    async def is_read() -> bool:
        return await served.check() is None

    try:
        await eventually(is_read)
        yield served
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def names(served: ServedModels, *tags: str, of: str | None = None) -> list[str]:
    return served.servings_of("library/iris", tags, of)


async def become(served: ServedModels, *expected: str) -> None:
    async def they_are() -> bool:
        return names(served, "v1") == list(expected)

    await eventually(they_are)


async def test_nothing_is_known_before_the_bucket_was_read() -> None:
    served = ServedModels(InMemoryDocuments[ServingDocument]())
    assert await served.check() is not None
    with pytest.raises(UsageUnknownError):
        names(served, "v1")


async def test_a_serving_counts_from_its_document_to_its_tombstone() -> None:
    bucket = InMemoryDocuments[ServingDocument]()
    async with following(bucket) as served:
        assert names(served, "v1") == []
        revision = await bucket.create(KEY, serving_document())
        await become(served, "default/iris")
        assert names(served, "v2") == []
        assert names(served, of=digest(1)) == ["default/iris"]
        await bucket.bury(KEY, Tombstone[ServingDocument](deleted_at=NOW), revision)
        await become(served)


def test_wanted_serving_and_converted_versions_count() -> None:
    made = f"library/iris:v0-onnx@{digest(7)}"
    running = VariantStatus(name="v0", model="library/iris:v0", digest=digest(6), made=made)
    serving = serving_document(applied=serving_spec("library/iris:v0", of=6), variants=(running,))
    served = {(str(each.ref), each.digest) for each in served_models(serving)}
    assert served == {
        ("library/iris:v1", digest(1)),
        ("library/iris:v0", digest(6)),
        ("library/iris:v0-onnx", digest(7)),
    }


async def test_a_serving_missing_from_a_recreated_bucket_counts_until_a_tombstone() -> None:
    bucket = LosableBucket()
    await bucket.create(KEY, serving_document())
    served = ServedModels(bucket)
    changes = bucket.changes()
    served._take(await anext(changes))
    bucket.lose()
    for _ in range(2):  # the second time it is the same bucket
        served._take(await anext(bucket.changes()))
        assert names(served, "v1") == ["default/iris"]
    await bucket.bury(KEY, Tombstone[ServingDocument](deleted_at=NOW), 0)
    served._take(await anext(bucket.changes()))
    assert names(served, "v1") == []
