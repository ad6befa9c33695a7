"""A pull never retries without a delay, stops, or loses a slot, whatever the server answers."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import nats.errors
import pytest
from nats.aio.msg import Msg
from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError

from kleverkit.pulling import PAUSE_SECONDS, Pull
from kleverproto.streams import JOBRUNNER_EXTRACT
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faststream.nats.subscriber.usecases import PullStreamSubscriber
    from nats.aio.client import Client
    from nats.js import JetStreamContext

SPEC = replace(JOBRUNNER_EXTRACT, concurrency=2, ack_wait=timedelta(seconds=30))


class Server:
    """Gives a scripted answer to each fetch; afterwards, the test is over."""

    def __init__(self, *answers: Exception | float | None) -> None:
        self._answers: Iterator[Exception | float | None] = iter(answers)
        self.now = 0.0
        self.fetches = 0
        self.pauses: list[float] = []

    async def fetch(self, batch: int, *, timeout: float) -> list[Msg]:  # noqa: ASYNC109 - as nats-py has it
        assert batch == 1
        self.fetches += 1
        match next(self._answers, asyncio.CancelledError()):
            case None:
                return [Msg(_client=cast("Client", None), subject="s", reply="r")]
            case float(seconds):
                self.now += min(seconds, timeout)
                raise nats.errors.TimeoutError
            case BaseException() as error:
                raise error
        raise AssertionError

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


class Handler:
    def __init__(self) -> None:
        self.started = 0
        self.open = asyncio.Event()

    async def consume(self, _message: Msg) -> None:
        self.started += 1
        await self.open.wait()


def pull_from(server: Server, handler: Handler) -> Pull:
    subscriber = cast("PullStreamSubscriber", handler)
    return Pull(subscriber, SPEC, clock=server.clock, sleep=server.sleep)


def subscription(server: Server) -> "JetStreamContext.PullSubscription":
    return cast("JetStreamContext.PullSubscription", server)


async def take_until_over(pull: Pull, server: Server) -> None:
    with pytest.raises(asyncio.CancelledError):
        await pull.take(subscription(server))


@pytest.mark.parametrize(
    "refusal",
    [
        ServiceUnavailableError(),
        NotFoundError(code=404, description="consumer not found"),
        APIError(code=409, description="exceeded maximum waiting"),
        nats.errors.ConnectionClosedError(),
        OSError("gone"),
        0.0,
    ],
    ids=["no consumer", "not found", "conflict", "closed", "socket", "a refusal that nats-py calls a time-out"],
)
async def test_every_refusal_is_followed_by_a_delay_and_a_check(refusal: Exception | float) -> None:
    server, looks = Server(*[refusal] * 3), []
    pull = pull_from(server, Handler())
    pull.on_refusal = lambda: looks.append(server.now)
    await take_until_over(pull, server)
    assert server.pauses == [PAUSE_SECONDS] * 3
    assert len(looks) == 3


async def test_a_fetch_without_messages_is_not_a_refusal() -> None:
    server = Server(2.0, 2.0)
    pull = pull_from(server, Handler())
    await take_until_over(pull, server)
    assert server.pauses == []
    assert pull.problem is None


async def test_a_refusal_is_a_problem_until_messages_may_come_again() -> None:
    server = Server(ServiceUnavailableError())
    pull = pull_from(server, Handler())
    await take_until_over(pull, server)
    assert pull.problem == "jobrunner-extract receives no messages: the consumer is not there"
    await take_until_over(pull, Server(2.0))
    assert pull.problem is None


async def test_messages_are_fetched_only_with_a_free_slot() -> None:
    server, handler = Server(None, None, None), Handler()
    pull = pull_from(server, handler)
    await pull.take(subscription(server))
    await pull.take(subscription(server))
    third = asyncio.create_task(pull.take(subscription(server)))

    async def two_have_begun() -> bool:
        return handler.started == 2

    await eventually(two_have_begun)
    assert (server.fetches, third.done()) == (2, False)
    handler.open.set()
    await third
    await pull.finish(5)
    assert handler.started == 3


async def test_an_unexpected_error_releases_its_slot() -> None:
    server, handler = Server(*[KeyError("Description")] * 5), Handler()
    pull = pull_from(server, handler)
    for _ in range(5):
        with pytest.raises(KeyError):
            await pull.take(subscription(server))


async def test_messages_in_progress_are_completed_or_cancelled() -> None:
    handler = Handler()
    pull = pull_from(Server(None), handler)
    await pull.take(subscription(Server(None)))
    await pull.finish(within=0.01)
    assert not pull._working
    assert not handler.open.is_set()
