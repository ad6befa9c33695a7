"""Releases read what earlier and later ones have written: events and documents.

`tests/data/releases` holds what a release wrote. It is never changed, so that each later release is tested with it.
"""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from klever.backup.contract import DOCUMENTS, contract
from kleverproto.envelope import InvalidEventError, parse
from kleverproto.jobs import JobDocument
from kleverproto.models import ModelDocument
from kleverproto.projects import ProjectDocument
from kleverproto.servings import ServingDocument
from kleverproto.streams import BUCKETS

DATA = Path(__file__).parents[1] / "data"
RELEASES = sorted((DATA / "releases").iterdir())
EVENTS = sorted(DATA.glob("events/*.json"))
OLD_EVENTS = [path for release in RELEASES for path in sorted(release.glob("events/*.json"))]
HEADERS = {"content-type": "application/cloudevents+json"}
TYPES: dict[str, type[BaseModel]] = {
    "klever-models": ModelDocument,
    "klever-projects": ProjectDocument,
    "klever-jobs": JobDocument,
    "klever-servings": ServingDocument,
}
WRITTEN_BY_PEOPLE = re.compile(r"dev\.klever\.(serving\.\w+\.v1 data\.spec|project\.\w+\.v1 data\.policy)\b")
"""Parts in which an unknown field is an error: dropping a setting would change its meaning."""
MAPS = {"details", "env", "operators", "opset", "parameters", "unknown", "weights"}
"""Objects whose keys are names."""
LATER = "addedInALaterRelease"


def test_all_documents_are_part_of_the_contract() -> None:
    assert set(TYPES) == {bucket.name for bucket in BUCKETS}
    assert set(TYPES.values()) == set(DOCUMENTS)
    assert {"ServingDocument.spec", "ModelStatus.scan", "dev.klever.model.pushed.v1"} <= set(contract())


@pytest.mark.parametrize("path", OLD_EVENTS, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_events_of_earlier_releases_are_read(path: Path) -> None:
    event = parse(HEADERS, path.read_bytes())
    assert_kept(json.loads(path.read_text()), json.loads(event.model_dump_json(exclude_none=True)))


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name)
@pytest.mark.parametrize("bucket", TYPES)
def test_documents_of_earlier_releases_are_read(bucket: str, release: Path) -> None:
    documents = json.loads((release / "documents.json").read_text())[bucket]
    assert documents
    for written in documents:
        read = TYPES[bucket].model_validate(written)
        assert_kept(written, read.model_dump(mode="json"))


def assert_kept(written: Any, read: Any) -> None:
    """Assert that every value that was written is read; later releases add more."""
    if isinstance(written, dict):
        for key, value in written.items():
            assert key in read
            assert_kept(value, read[key])
    elif isinstance(written, list):
        assert len(written) == len(read)
        for one, other in zip(written, read, strict=True):
            assert_kept(one, other)
    else:
        assert written == read


def objects(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of all objects in a JSON value, except those whose keys are names."""
    if isinstance(value, dict):
        if not path or path[-1] not in MAPS:
            yield path
        for key, each in value.items():
            yield from objects(each, (*path, key))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from objects(each, (*path, number))


def with_later_fields(path: Path) -> Iterator[tuple[str, bytes]]:
    """An event with an unknown field in one of its objects, each in turn."""
    document = json.loads(path.read_text())
    for place in objects(document):
        later = copy.deepcopy(document)
        target = later
        for step in place:
            target = target[step]
        target[LATER] = {"value": 1}
        yield ".".join(map(str, place)), json.dumps(later).encode()


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_unknown_fields_are_ignored_except_in_what_people_write(path: Path) -> None:
    event = parse(HEADERS, path.read_bytes())
    for place, content in with_later_fields(path):
        if WRITTEN_BY_PEOPLE.match(f"{path.stem} {place}"):
            with pytest.raises(InvalidEventError, match=LATER):
                parse(HEADERS, content)
        else:
            assert parse(HEADERS, content) == event, place


@pytest.mark.parametrize("name", ["dev.klever.model.pushed.v2", "dev.klever.model.renamed.v1"])
def test_an_unknown_event_type_is_refused_with_its_name(name: str) -> None:
    event = json.loads((DATA / "events" / "dev.klever.model.pushed.v1.json").read_text()) | {"type": name}
    with pytest.raises(InvalidEventError, match=f"the contract has no event type '{name}'"):
        parse(HEADERS, json.dumps(event).encode())


def newest(bucket: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((RELEASES[-1] / "documents.json").read_text())[bucket][0]
    return document


@pytest.mark.parametrize("bucket", TYPES)
def test_an_unknown_field_of_a_document_is_ignored_and_dropped_with_the_next_write(bucket: str) -> None:
    written = newest(bucket)
    written[LATER] = written["status"][LATER] = 1
    document = TYPES[bucket].model_validate(written)
    assert document == TYPES[bucket].model_validate(newest(bucket))
    assert LATER not in document.model_dump_json()


def test_a_serving_with_an_unknown_setting_is_unreadable() -> None:
    written = newest("klever-servings")
    written["spec"][LATER] = 1
    with pytest.raises(ValueError, match=LATER):
        ServingDocument.model_validate(written)
