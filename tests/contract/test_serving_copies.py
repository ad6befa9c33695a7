"""One suite for every store of copies of servings: files and memory."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from klever_deployer.adapters.copies import FileCopies
from klever_deployer.adapters.memory import InMemoryCopies
from klever_deployer.domain.versions import ServingName
from klever_deployer.ports import CopyStore
from kleverproto.documents import Tombstone
from kleverproto.servings import ServingDocument, ServingStatus
from support.deployer import spec
from support.golden_events import NOW

IRIS, ABALONE = ServingName("default", "iris"), ServingName("team-1", "abalone")
GRAVE = Tombstone[ServingDocument](deleted_at=NOW, announced=True)


def document(serving: ServingName, generation: int = 1) -> ServingDocument:
    return ServingDocument(
        namespace=serving.namespace,
        name=serving.name,
        spec=spec("v1"),
        status=ServingStatus(),
        generation=generation,
        created_at=NOW,
        updated_at=NOW,
    )


@pytest.fixture(params=["files", "memory"])
def copies(request: pytest.FixtureRequest, tmp_path: Path) -> CopyStore:
    return InMemoryCopies() if request.param == "memory" else FileCopies(tmp_path / "servings")


async def test_there_are_no_copies_at_first(copies: CopyStore) -> None:
    assert await copies.read() == {}
    await copies.remove(IRIS)


async def test_documents_and_tombstones_are_read_back_as_they_were_written(copies: CopyStore) -> None:
    await copies.write(IRIS, document(IRIS))
    await copies.write(IRIS, document(IRIS, 2))
    await copies.write(ABALONE, GRAVE)
    assert await copies.read() == {IRIS: document(IRIS, 2), ABALONE: GRAVE}


async def test_a_removed_copy_is_gone(copies: CopyStore) -> None:
    await copies.write(IRIS, document(IRIS))
    await copies.write(ABALONE, document(ABALONE))
    await copies.remove(IRIS)
    assert await copies.read() == {ABALONE: document(ABALONE)}


async def test_a_damaged_copy_does_not_hide_the_others(tmp_path: Path) -> None:
    copies = FileCopies(tmp_path)
    await copies.write(IRIS, document(IRIS))
    (tmp_path / "default.broken.json").write_text("{")
    assert await copies.read() == {IRIS: document(IRIS)}


@contextmanager
def no_room() -> Iterator[None]:
    """Simulate a full disk: no file may grow beyond a few bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


async def test_a_failed_write_keeps_the_previous_copy(tmp_path: Path) -> None:
    copies = FileCopies(tmp_path)
    await copies.write(IRIS, document(IRIS))
    with no_room(), pytest.raises(OSError, match="File too large"):
        await copies.write(IRIS, document(IRIS, 2))
    assert await copies.read() == {IRIS: document(IRIS)}
    assert _files(tmp_path) == ["default.iris.json"]


def _files(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]
