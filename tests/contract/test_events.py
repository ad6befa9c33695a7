"""Every event of the contract has a golden example, which its model, its schema and both envelope forms agree on.

`pytest tests/contract/test_events.py --update-golden` rewrites the examples after a deliberate change.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from kleverproto.catalogue import EVENT_TYPES, EventType
from kleverproto.envelope import Event, encode, parse
from support.golden_events import EXAMPLES

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data" / "events"
SCHEMAS = Path(__file__).parents[2] / "libs" / "kleverproto" / "schemas"


def golden(event_type: EventType) -> Event[Any]:
    return parse({"content-type": "application/cloudevents+json"}, (DATA / f"{event_type.type}.json").read_bytes())


@pytest.fixture(params=EVENT_TYPES, ids=lambda event_type: str(event_type.type))
def event_type(request: pytest.FixtureRequest) -> EventType:
    chosen: EventType = request.param
    if request.config.getoption("--update-golden"):
        DATA.mkdir(parents=True, exist_ok=True)
        example = EXAMPLES[chosen.data].model_dump_json(indent=2, exclude_none=True)
        (DATA / f"{chosen.type}.json").write_text(example + "\n")
    return chosen


def test_the_golden_example_equals_the_example_of_the_model(event_type: EventType) -> None:
    assert golden(event_type) == EXAMPLES[event_type.data]


def test_the_golden_example_fits_the_checked_in_schema(event_type: EventType) -> None:
    schema = json.loads((SCHEMAS / event_type.schema_file).read_text())
    example = json.loads((DATA / f"{event_type.type}.json").read_text())
    jsonschema.validate(example["data"], schema, cls=jsonschema.Draft202012Validator)


def test_the_binary_form_carries_the_whole_event(event_type: EventType) -> None:
    event = golden(event_type)
    headers, body = encode(event)
    assert headers["Nats-Msg-Id"] == headers["ce-id"] == event.id
    assert parse(headers, body) == event


def test_the_subject_belongs_to_the_stream_and_to_no_other(event_type: EventType) -> None:
    subject = golden(event_type).nats_subject
    assert subject.startswith(event_type.filter.removesuffix(">"))
    prefixes = [spec.removesuffix(">") for spec in event_type.stream.subjects]
    assert any(subject.startswith(prefix) for prefix in prefixes)


def test_there_are_no_examples_of_removed_events() -> None:
    assert {path.stem for path in DATA.glob("*.json")} == {event_type.type for event_type in EVENT_TYPES}


def test_generated_files_have_not_drifted() -> None:
    sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
    import contract  # noqa: PLC0415 - a script, not a package

    drifted = [path for path, text in contract.files().items() if (contract.ROOT / path).read_text() != text]
    assert not drifted, "run `task schemas`"


def test_the_pages_name_the_header_of_the_correlation_id() -> None:
    event = golden(EVENT_TYPES[0]).model_copy(update={"correlation_id": "the beginning"})
    header = next(name for name, value in encode(event)[0].items() if "correlation" in name)
    messages = yaml.safe_load((ROOT / "docs/asyncapi.yaml").read_text())["components"]["messages"].values()
    assert {message["correlationId"]["location"] for message in messages} == {f"$message.header#/{header}"}
    assert f"| `{header}` |" in (ROOT / "docs/events.md").read_text()


def test_times_are_read_as_aware_utc() -> None:
    event = golden(EVENT_TYPES[0])
    assert event.time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
