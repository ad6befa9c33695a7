"""NATS permissions follow from the contract, and every permission can be imported separately."""

from itertools import combinations

import pytest

from kleverproto import permissions, subjects
from kleverproto.catalogue import EVENT_TYPES
from kleverproto.permissions import Permissions, publishable_by_externals
from kleverproto.streams import BUCKETS, CONSUMERS, STREAMS, ConsumerSpec

EVERYTHING = tuple(subject for stream in STREAMS for subject in stream.subjects)
ALL = {
    **{service: permissions.service_permissions(service) for service in permissions.SERVICES},
    "topology": permissions.topology_permissions(),
    "external": permissions.external_permissions("ci", publish=publishable_by_externals(), subscribe=EVERYTHING),
}


@pytest.mark.parametrize("allowed", ALL.values(), ids=ALL.keys())
def test_no_two_subjects_overlap(allowed: Permissions) -> None:
    """Two imports of the same message would both forward it, and an event would be stored twice."""
    assert [pair for pair in combinations(allowed.publish, 2) if subjects.overlap(*pair)] == []


@pytest.mark.parametrize("consumer", CONSUMERS, ids=lambda consumer: consumer.durable)
def test_the_table_of_events_names_every_service_with_a_consumer(consumer: ConsumerSpec) -> None:
    matching = [event for event in EVENT_TYPES if subjects.covers(event.filter, consumer.subject)]
    assert [consumer.service in event.consumers for event in matching] == [True]


def test_every_bucket_has_one_writer() -> None:
    for bucket in BUCKETS:
        writers = [name for name, allowed in ALL.items() if bucket.subjects in allowed.publish]
        assert writers == [bucket.owner]


@pytest.mark.parametrize(
    ("pattern", "inner", "covered", "overlapping"),
    [
        ("a.>", "a.b", True, True),
        ("a.>", "a.b.c", True, True),
        ("a.>", "a.>", True, True),
        ("a.>", "a", False, False),
        ("a.>", "b.c", False, False),
        ("a.*", "a.b", True, True),
        ("a.*", "a.*", True, True),
        ("a.*", "a.>", False, True),
        ("a.b", "a.*", False, True),
        ("a.b", "a.>", False, True),
        ("a.b", "a.b.c", False, False),
        ("a.*.c", "a.b.*", False, True),
        ("a.*.c", "a.b.d", False, False),
        (">", "a", True, True),
    ],
)
def test_filters_are_compared_as_nats_does(pattern: str, inner: str, *, covered: bool, overlapping: bool) -> None:
    assert subjects.covers(pattern, inner) is covered
    assert subjects.overlap(pattern, inner) is overlapping
    assert subjects.overlap(inner, pattern) is overlapping


def test_narrower_subjects_are_omitted_if_a_wider_one_is_named() -> None:
    wider, narrower = "klever.model.pushed.>", "klever.model.pushed.library.*"
    for order in ((wider, narrower), (narrower, wider)):
        assert permissions.external_permissions("ci", publish=order, subscribe=()).publish[:2] == (
            wider,
            "$JS.API.CONSUMER.INFO.KLEVER_MODELS.ci",
        )
