"""One suite for every place where copies of the projects' policies may be kept."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from klever_registry.adapters.local import LocalPolicyCopies
from klever_registry.adapters.local.disk import Disk
from klever_registry.adapters.memory import InMemoryPolicyCopies
from klever_registry.ports import PolicyCopies
from kleverproto import subjects
from kleverproto.documents import Intent
from kleverproto.projects import ProjectDocument, ProjectPolicy, ProjectSpec, ProjectStatus

NOW = datetime(2026, 11, 26, tzinfo=UTC)
INTENT = Intent(sequence=7, event_id="event", correlation_id="correlation")


def project(name: str, *formats: str) -> ProjectDocument:
    spec = ProjectSpec(name=name, policy=ProjectPolicy(convert=formats))
    return ProjectDocument(spec=spec, status=ProjectStatus(intent=INTENT), created_at=NOW, updated_at=NOW)


def local(directory: Path) -> PolicyCopies:
    return LocalPolicyCopies(Disk(directory), directory / "projects")


@pytest.fixture(params=["local", "memory"])
def copies(request: pytest.FixtureRequest, tmp_path: Path) -> PolicyCopies:
    return local(tmp_path) if request.param == "local" else InMemoryPolicyCopies()


async def test_the_last_copy_of_each_project_is_returned(copies: PolicyCopies) -> None:
    assert await copies.all() == {}
    odd = subjects.escape("a.b")
    await copies.keep("library", project("library"))
    await copies.keep("library", project("library", "ONNX"))
    await copies.keep(odd, project("a.b"))
    assert await copies.all() == {"library": project("library", "ONNX"), odd: project("a.b")}


async def test_an_unreadable_copy_does_not_hide_the_others(tmp_path: Path) -> None:
    await local(tmp_path).keep("a", project("a"))
    await local(tmp_path).keep("b", project("b"))
    (tmp_path / "projects" / "a.json").write_text("{")
    assert await local(tmp_path).all() == {"b": project("b")}
