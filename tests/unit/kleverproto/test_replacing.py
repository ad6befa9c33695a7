"""Replacing fields of a document: mypy refuses a wrong name or type, and every replaceable field exists."""

import importlib
import pkgutil
from datetime import UTC, datetime
from typing import Any, get_type_hints

import pytest

import kleverproto
from kleverproto.base import WireModel
from kleverproto.documents import Intent
from kleverproto.jobs import JobDocument, JobKind, JobPhase, JobSpec, JobStatus
from kleverproto.references import ModelRef

NOW = datetime(2026, 1, 2, tzinfo=UTC)
REF = ModelRef.parse("library/iris:v1")
SPEC = JobSpec(kind=JobKind.SCAN, ref=REF, digest="sha256:" + "1" * 64, registry="localhost:5000")
JOB = JobDocument(id="one", spec=SPEC, status=JobStatus(), created_at=NOW, updated_at=NOW)


def _modules() -> list[Any]:
    names = [each.name for each in pkgutil.iter_modules(kleverproto.__path__)]
    return [importlib.import_module(f"kleverproto.{name}") for name in names]


CHANGES = {
    name: (changes, getattr(module, name.removesuffix("Changes")))
    for module in _modules()
    for name, changes in vars(module).items()
    if name.endswith("Changes") and changes.__module__ == module.__name__
}


@pytest.mark.parametrize(("changes", "model"), CHANGES.values(), ids=CHANGES.keys())
def test_replaceable_fields_belong_to_the_model_and_have_its_types(changes: type, model: type[WireModel]) -> None:
    fields = get_type_hints(model)
    assert get_type_hints(changes).items() <= fields.items()


def test_every_replaceable_model_is_checked() -> None:
    replaceable = {
        name
        for module in _modules()
        for name, model in vars(module).items()
        if isinstance(model, type) and issubclass(model, WireModel) and "replace" in vars(model) and "[" not in name
    }
    assert {name.removesuffix("Changes") for name in CHANGES} == replaceable


def test_the_other_fields_are_kept() -> None:
    running = JOB.replace(status=JOB.status.replace(phase=JobPhase.RUNNING, attempts=1), updated_at=NOW)
    assert running.status == JobStatus(phase=JobPhase.RUNNING, attempts=1)
    assert running.spec == JOB.spec
    assert JOB.status.phase is JobPhase.PENDING


def test_mypy_refuses_a_wrong_name_or_type() -> None:
    """Unused `type: ignore` comments are errors, so this fails in mypy if one of them is not refused."""
    JOB.status.replace(phsae=JobPhase.RUNNING)  # type: ignore[call-arg]
    JOB.status.replace(attempts="one")  # type: ignore[arg-type]
    JOB.replace(statsu=JOB.status)  # type: ignore[call-arg]
    JOB.replace(status=SPEC)  # type: ignore[arg-type]


def test_a_request_keeps_its_ids_at_another_position() -> None:
    intent = Intent(sequence=7, event_id="e", correlation_id="c")
    assert intent.at(3) == Intent(sequence=3, event_id="e", correlation_id="c")


def test_another_version_of_a_model_is_validated_like_every_reference() -> None:
    assert REF.with_version("v2") == ModelRef.parse("library/iris:v2")
    with pytest.raises(ValueError, match="string_pattern_mismatch"):
        REF.with_version("no tag")
