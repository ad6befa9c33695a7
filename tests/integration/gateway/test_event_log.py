"""Readers of the logs on real NATS: despite any event between two lines, each arrives once, or the reader fails."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import pytest

from klever_gateway.adapters.nats_events import NatsEventLog
from kleverkit.errors import TransientError
from kleverkit.nats_calls import ClientSource
from kleverproto import subjects
from kleverproto.jobs import JobLogged
from support.gateway import Owner, owner_at
from support.nats_server import NatsServer
from support.waiting import eventually

LOG = subjects.subject("log", "written", "job-1")
LINES = 100


@pytest.fixture
async def owner(own_nats: NatsServer) -> AsyncIterator[Owner]:
    async with owner_at(own_nats.url) as running:
        yield running


async def _is_over() -> bool:
    return True


async def write_lines(owner: Owner, first: int = 0, last: int = LINES) -> None:
    for number in range(first, last):
        await owner.publish(JobLogged(id="job-1", lines=(str(number),)), f"line-{number}")


def event_log(owner: Owner) -> NatsEventLog:
    source = ClientSource()
    source.set(owner.client)
    return NatsEventLog(source)


async def read(owner: Owner, in_between: Callable[[], Awaitable[None]], lines: list[str]) -> None:
    """Read the whole log, and run an action after a third of it."""
    async with aclosing(event_log(owner).read_log(LOG, _is_over)) as written:
        async for data in written:
            lines += data.lines
            if len(lines) == LINES // 3:
                await in_between()


async def test_a_reader_whose_consumer_expired_gets_each_line_once(owner: Owner) -> None:
    await write_lines(owner)
    deleted = 0

    async def delete_consumers() -> None:
        nonlocal deleted
        deleted = await owner.delete_consumers("KLEVER_LOGS")

    lines: list[str] = []
    await read(owner, delete_consumers, lines)
    assert deleted == 1
    assert lines == [str(number) for number in range(LINES)]


async def test_a_reader_gets_each_line_once_over_a_server_restart(owner: Owner, own_nats: NatsServer) -> None:
    await write_lines(owner)

    async def restart() -> None:
        own_nats.kill()
        own_nats.start()

    lines: list[str] = []
    await read(owner, restart, lines)
    assert lines == [str(number) for number in range(LINES)]


async def test_a_reader_fails_if_lines_were_lost_with_their_stream(owner: Owner) -> None:
    await write_lines(owner)
    lines: list[str] = []
    with pytest.raises(TransientError, match="created again"):
        await read(owner, lambda: owner.recreate("KLEVER_LOGS"), lines)
    assert lines == [str(number) for number in range(len(lines))]


async def test_a_followed_log_resumes_when_nats_is_back(owner: Owner, own_nats: NatsServer) -> None:
    over = False

    async def is_over() -> bool:
        return over

    await write_lines(owner, 0, 1)
    async with aclosing(event_log(owner).read_log(LOG, is_over)) as written:
        assert (await anext(written)).lines == ("0",)
        own_nats.kill()
        own_nats.start()

        async def is_written() -> bool:
            await write_lines(owner, 1, 2)
            return True

        await eventually(is_written, within=15)
        assert (await anext(written)).lines == ("1",)
        over = True
        with pytest.raises(StopAsyncIteration):
            await anext(written)
