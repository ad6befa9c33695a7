"""The start of a recreated consumer, and the readiness problems for missing resources."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import nats.errors
import nats.js.errors
import pytest
from nats.js import api

from kleverkit.nats_calls import ClientSource
from kleverkit.positions import Position, start_after
from kleverkit.topology import STALE_SECONDS, Needs, Topology
from kleverproto.streams import CONSUMERS, MODELS

if TYPE_CHECKING:
    from nats.aio.client import Client

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
ALL = {"deliver_policy": api.DeliverPolicy.ALL}


def stream(*, created: datetime = CREATED, last: int = 100) -> api.StreamInfo:
    state = api.StreamState(messages=last, bytes=0, first_seq=1, last_seq=last, consumer_count=0)
    return api.StreamInfo(config=api.StreamConfig(name="A"), state=state, created=created)


def test_a_consumer_without_a_recorded_position_starts_at_the_first_message() -> None:
    assert start_after(None, stream()) == ALL


@pytest.mark.parametrize("floor", [0, 41, 100])
def test_a_recreated_consumer_starts_after_the_acknowledged_messages(floor: int) -> None:
    start = start_after(Position(stream_created=CREATED, floor=floor), stream())
    assert start == {"deliver_policy": api.DeliverPolicy.BY_START_SEQUENCE, "opt_start_seq": floor + 1}


@pytest.mark.parametrize(
    "recreated",
    [
        pytest.param(stream(created=CREATED + timedelta(days=1)), id="recreated"),
        pytest.param(stream(created=CREATED - timedelta(days=1)), id="recreated after the clock went back"),
        pytest.param(stream(last=40), id="restored from a copy that is older than the consumer"),
    ],
)
def test_another_stream_is_read_from_its_first_message(recreated: api.StreamInfo) -> None:
    assert start_after(Position(stream_created=CREATED, floor=41), recreated) == ALL


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Refusing:
    """A client whose JetStream calls all fail with this error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def jetstream(self, **_options: object) -> "Refusing":
        return self

    async def stream_info(self, *_args: object) -> None:
        raise self._error

    key_value = consumer_info = stream_info


def topology(client: object | None, clock: Clock) -> Topology:
    source = ClientSource()
    if client is not None:
        source.set(cast("Client", client))
    needed = Topology(source, clock=clock)
    needed.need(CONSUMERS)
    return needed


async def test_nothing_is_known_before_the_first_check() -> None:
    needed = topology(None, Clock())
    assert "not been checked" in str(await needed.streams_problem())
    await needed.reconcile()
    assert "not connected" in str(await needed.consumers_problem())


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (nats.js.errors.ServiceUnavailableError(), "JetStream is not available on this server"),
        (nats.errors.TimeoutError(), "timeout"),
        (nats.errors.ConnectionClosedError(), "closed"),
    ],
)
async def test_a_server_that_does_not_answer_is_a_problem_of_both_checks(error: Exception, words: str) -> None:
    needed = topology(Refusing(error), Clock())
    await needed.reconcile()
    assert words in str(await needed.streams_problem())
    assert words in str(await needed.consumers_problem())


async def test_each_resource_that_cannot_be_created_is_reported() -> None:
    needed = topology(Refusing(nats.js.errors.BadRequestError(code=400, description="no")), Clock())
    await needed.reconcile()
    assert "KLEVER_DEAD cannot be created" in str(await needed.streams_problem())
    assert "klever-jobs cannot be created" in str(await needed.streams_problem())
    assert "deployer-delete cannot be created" in str(await needed.consumers_problem())


async def test_an_outdated_check_is_a_separate_problem() -> None:
    clock = Clock()
    needed = topology(None, clock)
    needed._failure = None
    assert await needed.streams_problem() is None
    clock.now += STALE_SECONDS + 1
    assert await needed.streams_problem() == "the streams and buckets were last checked 11 seconds ago"


class Empty(Refusing):
    """A client of an empty server on which creating something would fail."""

    def __init__(self) -> None:
        super().__init__(nats.js.errors.NotFoundError(code=404))


class Holding:
    """A client of a server that has one stream and refuses to change it."""

    def __init__(self, config: api.StreamConfig) -> None:
        self._config = config

    def jetstream(self, **_options: object) -> "Holding":
        return self

    async def stream_info(self, *_args: object) -> api.StreamInfo:
        state = api.StreamState(messages=0, bytes=0, first_seq=1, last_seq=0, consumer_count=0)
        return api.StreamInfo(config=self._config, state=state, created=CREATED)

    async def update_stream(self, *_args: object) -> None:
        raise nats.js.errors.BadRequestError(code=400, description="no")


async def test_a_service_that_may_not_create_waits_for_missing_resources() -> None:
    source = ClientSource()
    source.set(cast("Client", Empty()))
    waiting = Topology(source, Needs(creates=False), clock=Clock())
    await waiting.reconcile()
    assert "KLEVER_JOBS is missing" in str(await waiting.streams_problem())


@pytest.mark.parametrize("creates", [True, False])
async def test_only_the_creator_of_a_stream_checks_its_replicas(*, creates: bool) -> None:
    source = ClientSource()
    wanted = api.StreamConfig(
        name=MODELS.name,
        subjects=list(MODELS.subjects),
        max_age=MODELS.max_age.total_seconds(),
        duplicate_window=MODELS.duplicate_window.total_seconds(),
        num_replicas=3,
    )
    source.set(cast("Client", Holding(wanted)))
    looking = Topology(source, Needs(streams=(MODELS,), buckets=(), creates=creates), replicas=1, clock=Clock())
    await looking.reconcile()
    assert (await looking.streams_problem() is None) is not creates


async def test_only_needed_resources_are_checked() -> None:
    source = ClientSource()
    source.set(cast("Client", Empty()))
    waiting = Topology(source, Needs(streams=(MODELS,), buckets=(), creates=False), clock=Clock())
    await waiting.reconcile()
    assert await waiting.streams_problem() == "KLEVER_MODELS is missing, or not as the contract says"
