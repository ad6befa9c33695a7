"""Ids of derived events: a repetition has the same id, anything else another one."""

import pytest

from kleverproto.base import WireModel
from kleverproto.envelope import EventSource
from kleverproto.jobs import JobCancelled
from kleverproto.servings import ServingDeleted
from support.golden_events import JOB_SPEC

SOURCE = EventSource("test")


def identity(data: WireModel, *parts: str) -> str:
    return SOURCE.caused_by_ids("cause", "correlation", data, *parts).id


def test_a_repeated_event_of_the_same_cause_has_the_same_id() -> None:
    data = ServingDeleted(namespace="default", name="iris")
    assert identity(data, "1") == identity(data, "1")
    assert identity(data, "1") != identity(data, "2")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ServingDeleted(namespace="default", name="iris"), ServingDeleted(namespace="prod", name="iris")),
        (ServingDeleted(namespace="default", name="iris"), ServingDeleted(namespace="default", name="iris-2")),
        (JobCancelled(id="a", spec=JOB_SPEC), JobCancelled(id="b", spec=JOB_SPEC)),
    ],
)
def test_events_of_one_cause_about_two_things_are_two_events(one: WireModel, other: WireModel) -> None:
    assert identity(one) != identity(other)


def test_an_event_caused_by_another_names_its_subject_too() -> None:
    cause = SOURCE.event(ServingDeleted(namespace="default", name="iris"), event_id="cause")
    caused = [SOURCE.caused_by(cause, ServingDeleted(namespace=each, name="iris")).id for each in ("default", "prod")]
    assert len(set(caused)) == 2
