"""One suite for every store of the registry's copies of documents: files and memory."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from klever_registry.adapters.local import LocalCopies
from klever_registry.adapters.local.disk import Disk
from klever_registry.adapters.memory import InMemoryCopies
from klever_registry.ports import Copies
from kleverproto import subjects
from kleverproto.documents import Intent
from kleverproto.projects import ProjectDocument, ProjectPolicy, ProjectSpec, ProjectStatus

NOW = datetime(2026, 11, 26, tzinfo=UTC)
INTENT = Intent(sequence=7, event_id="event", correlation_id="correlation")
LONGEST = "a." * 99 + "ab"
"""A name whose key is longer than the name of a file may be."""


def project(name: str, *formats: str) -> ProjectDocument:
    spec = ProjectSpec(name=name, policy=ProjectPolicy(convert=formats))
    return ProjectDocument(spec=spec, status=ProjectStatus(intent=INTENT), created_at=NOW, updated_at=NOW)


def key_of(document: ProjectDocument) -> str:
    return subjects.escape(document.spec.name)


def local(directory: Path) -> Copies[ProjectDocument]:
    return LocalCopies(Disk(directory), directory / "projects", ProjectDocument, key_of)


@pytest.fixture(params=["local", "memory"])
def copies(request: pytest.FixtureRequest, tmp_path: Path) -> Copies[ProjectDocument]:
    return local(tmp_path) if request.param == "local" else InMemoryCopies()


async def test_last_copy_of_each_document_is_returned(copies: Copies[ProjectDocument]) -> None:
    assert await copies.all() == {}
    assert await copies.get("library") is None
    odd = subjects.escape("a.b")
    await copies.keep("library", project("library"))
    await copies.keep("library", project("library", "ONNX"))
    await copies.keep(odd, project("a.b"))
    assert await copies.all() == {"library": project("library", "ONNX"), odd: project("a.b")}
    assert await copies.get("library") == project("library", "ONNX")


async def test_removed_copy_is_not_found(copies: Copies[ProjectDocument]) -> None:
    await copies.keep("library", project("library"))
    await copies.keep("other", project("other"))
    for _ in range(2):
        await copies.remove("library")
    assert await copies.get("library") is None
    assert await copies.all() == {"other": project("other")}


async def test_document_with_the_longest_key_has_a_copy(copies: Copies[ProjectDocument]) -> None:
    document = project(LONGEST)
    await copies.keep(key_of(document), document)
    assert await copies.get(key_of(document)) == document
    assert await copies.all() == {key_of(document): document}


async def test_unreadable_copy_does_not_hide_the_others(tmp_path: Path) -> None:
    await local(tmp_path).keep("a", project("a"))
    await local(tmp_path).keep("b", project("b"))
    (tmp_path / "projects" / "a.json").write_text("{")
    assert await local(tmp_path).get("a") is None
    assert await local(tmp_path).all() == {"b": project("b")}
