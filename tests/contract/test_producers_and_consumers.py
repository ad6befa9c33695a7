"""The contract's tables of producers and consumers agree with the code of the services."""

import ast
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from faststream.nats import NatsRouter

import klever_deployer.handlers
import klever_jobrunner.handlers
import klever_registry.handlers
from kleverproto import subjects
from kleverproto.catalogue import BY_DATA, EVENT_TYPES
from kleverproto.deadletters import DeadLettered
from kleverproto.envelope import EventSource
from kleverproto.jobs import JobRequested
from kleverproto.models import ModelUpdated
from kleverproto.publishers import PUBLISHERS
from kleverproto.servings import ServingReady
from kleverproto.streams import CONSUMERS, ConsumerSpec
from support.golden_events import EXAMPLES

SERVICES = Path(__file__).parents[2] / "services"
SAMPLES = "examples.py"
"""Events of other services that the gateway shows in its documentation."""
HANDLERS = {
    "deployer": klever_deployer.handlers,
    "jobrunner": klever_jobrunner.handlers,
    "registry": klever_registry.handlers,
}
DATA = {event.data.__name__: event.data for event in EVENT_TYPES if event.data is not DeadLettered}


def constructed(service: str) -> set[str]:
    """The data types of events that a service's code creates, by `Name(…)` or `Name.model_validate(…)`."""
    files = [path for path in (SERVICES / service / "src").rglob("*.py") if path.name != SAMPLES]
    assert files
    return {name for path in files for name in _called(ast.parse(path.read_text()))} & DATA.keys()


def _called(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Attribute) and function.attr == "model_validate":
                function = function.value
            if isinstance(function, ast.Name | ast.Attribute):
                yield function.id if isinstance(function, ast.Name) else function.attr


def router(service: str) -> NatsRouter:
    """A service's handlers. Their dependencies are needed only once a message arrives."""
    build: Callable[..., NatsRouter] = HANDLERS[service].build_router
    nothing: Any = None
    return build(**dict.fromkeys(inspect.signature(build).parameters, nothing))


def handled_types(consumer: ConsumerSpec) -> list[Any]:
    """The types that a consumer's handlers accept for a message."""
    subscribers = [
        subscriber
        for subscriber in router(consumer.service).subscribers
        if getattr(subscriber, "subscription").consumer == consumer  # noqa: B009 - set by kleverkit
    ]
    handlers = [call.handler._original_call for subscriber in subscribers for call in subscriber.calls]
    hints = [get_type_hints(handler) for handler in handlers]
    return [hint["event"].model_fields["data"].annotation for hint in hints]


@pytest.mark.parametrize("service", PUBLISHERS)
def test_a_service_publishes_exactly_the_events_of_the_table(service: str) -> None:
    assert constructed(service) == {data.__name__ for data in PUBLISHERS[service]}


@pytest.mark.parametrize("service", PUBLISHERS)
def test_a_service_refuses_to_create_an_event_of_another_service(service: str) -> None:
    source = EventSource(service)
    refused = set()
    for name, data in DATA.items():
        try:
            source.event(EXAMPLES[data].data, event_id="one")
        except ValueError:
            refused.add(name)
    assert refused == DATA.keys() - {data.__name__ for data in PUBLISHERS[service]}


@pytest.mark.parametrize("consumer", CONSUMERS, ids=lambda consumer: consumer.durable)
def test_every_consumer_has_one_handler_for_the_events_of_its_subject(consumer: ConsumerSpec) -> None:
    handled = handled_types(consumer)
    assert len(handled) == 1
    assert subjects.covers(BY_DATA[handled[0]].filter, consumer.subject)


@pytest.mark.parametrize("service", HANDLERS)
def test_a_service_handles_the_messages_of_its_own_consumers_only(service: str) -> None:
    subscriptions = [getattr(each, "subscription", None) for each in router(service).subscribers]
    durables = [subscription.consumer.durable for subscription in subscriptions if subscription]
    assert sorted(durables) == sorted(each.durable for each in CONSUMERS if each.service == service)


def test_every_service_with_a_consumer_has_handlers() -> None:
    assert {consumer.service for consumer in CONSUMERS} == HANDLERS.keys()


def test_the_consumers_of_an_event_are_those_of_its_subject_and_its_streams_readers() -> None:
    assert BY_DATA[ModelUpdated].consumers == ("jobrunner", "deployer", "gateway")
    assert BY_DATA[JobRequested].consumers == ("jobrunner", "gateway")
    assert BY_DATA[JobRequested].producers == ("jobrunner", "deployer", "gateway", "any")
    assert BY_DATA[ServingReady].producers == ("deployer",)
    assert BY_DATA[DeadLettered].producers == ("registry", "jobrunner", "deployer")
