"""Faults of the event store."""

import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

import nats.errors
import nats.js.errors

from kleverproto.streams import BUCKETS, CONSUMERS, JOBS, JOBS_BUCKET, MODELS, SERVINGS
from support.waiting import pause

from .world import World

ANSWER_SECONDS = 1.0
"""Seconds that an answer may be in transit."""
UNREACHABLE = (nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError)


@asynccontextmanager
async def delete_consumer(world: World, random: Random) -> AsyncIterator[str]:
    consumer = random.choice(CONSUMERS)
    with suppress(*UNREACHABLE):
        async with world.nats() as client:
            await client.jetstream().delete_consumer(consumer.stream, consumer.durable)
    yield f"delete the consumer {consumer.durable}"


@asynccontextmanager
async def delete_readers(world: World, _random: Random) -> AsyncIterator[str]:
    """Delete the consumers of buckets, which are the watches of every service."""
    deleted = 0
    with suppress(*UNREACHABLE):
        async with world.nats() as client:
            js = client.jetstream()
            for bucket in BUCKETS:
                for consumer in await js.consumers_info(f"KV_{bucket.name}"):
                    deleted += await js.delete_consumer(f"KV_{bucket.name}", consumer.name)
    yield f"delete the readers of all buckets ({deleted})"


@asynccontextmanager
async def recreate_bucket(world: World, random: Random) -> AsyncIterator[str]:
    bucket = random.choice(BUCKETS)
    async with _losing(world.ledger.lost_jobs if bucket is JOBS_BUCKET else _nothing):
        await _delete(world, f"KV_{bucket.name}")
        yield f"delete the bucket {bucket.name}"


@asynccontextmanager
async def recreate_stream(world: World, random: Random) -> AsyncIterator[str]:
    stream = random.choice([MODELS, JOBS, SERVINGS])
    lost = {JOBS.name: world.ledger.lost_job_requests, SERVINGS.name: world.ledger.lost_serving_requests}
    async with _losing(lost.get(stream.name, _nothing)):
        await _delete(world, stream.name)
        yield f"delete the stream {stream.name}"


@asynccontextmanager
async def wipe_while_running(world: World, _random: Random) -> AsyncIterator[str]:
    """Restart nats-server with an empty store while the services run."""
    async with _losing(world.ledger.lost_everything):
        pid = world.platform.pid("nats")
        _signal(pid, signal.SIGSTOP)
        _empty(world.home / "nats")
        _signal(pid, signal.SIGKILL)
        yield "wipe the store of nats-server and kill it"


@asynccontextmanager
async def wipe_while_down(world: World, _random: Random) -> AsyncIterator[str]:
    await world.stop()
    async with _losing(world.ledger.lost_everything):
        _empty(world.home / "nats")
        yield "klever down, and wipe the store of nats-server"
    await world.start()


@asynccontextmanager
async def restore_older_store(world: World, _random: Random) -> AsyncIterator[str]:
    """Restore an older store. Events since the copy are lost, but documents must not be."""
    store, copy = world.home / "nats", world.home / "nats-copy"
    shutil.rmtree(copy, ignore_errors=True)
    pid = world.platform.pid("nats")
    _signal(pid, signal.SIGSTOP)
    shutil.copytree(store, copy)
    _signal(pid, signal.SIGCONT)
    yield "copy the store of nats-server, and restore it a while later"
    async with _losing(world.ledger.went_back):
        pid = world.platform.pid("nats")
        _signal(pid, signal.SIGSTOP)
        _empty(store)
        shutil.copytree(copy, store, dirs_exist_ok=True)
        _signal(pid, signal.SIGKILL)
        world.timeline.say("the older store is back")


@asynccontextmanager
async def _losing(record: Callable[[], None]) -> AsyncIterator[None]:
    """Record the loss before and after, since requests accepted meanwhile may be lost, and answers may be in flight."""
    record()
    try:
        yield
    finally:
        await pause(ANSWER_SECONDS)
        record()


def _nothing() -> None:
    """No accepted request is lost."""


async def _delete(world: World, stream: str) -> None:
    with suppress(*UNREACHABLE):
        async with world.nats() as client:
            await client.jetstream().delete_stream(stream)


def _empty(directory: Path) -> None:
    """Remove the contents. The directory itself may be the mount point of a disk."""
    for entry in directory.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def _signal(pid: int, signum: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signum)
