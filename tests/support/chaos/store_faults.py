"""What can happen to the event store."""

import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

import nats.errors
import nats.js.errors

from kleverproto.streams import BUCKETS, CONSUMERS, JOBS, JOBS_BUCKET, MODELS, SERVINGS

from .world import World

MISSING = (nats.js.errors.NotFoundError,)
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
    """Those of buckets: every watch of every service."""
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
    if bucket is JOBS_BUCKET:
        world.ledger.lost_jobs()
    with suppress(*UNREACHABLE):
        async with world.nats() as client:
            await client.jetstream().delete_stream(f"KV_{bucket.name}")
    yield f"delete the bucket {bucket.name}"


@asynccontextmanager
async def recreate_stream(world: World, random: Random) -> AsyncIterator[str]:
    stream = random.choice([MODELS, JOBS, SERVINGS])
    if stream is SERVINGS:
        world.ledger.lost_serving_requests()
    if stream is JOBS:
        world.ledger.lost_job_requests()
    with suppress(*UNREACHABLE):
        async with world.nats() as client:
            await client.jetstream().delete_stream(stream.name)
    yield f"delete the stream {stream.name}"


@asynccontextmanager
async def wipe_while_running(world: World, _random: Random) -> AsyncIterator[str]:
    """nats-server comes back with an empty store, while the services run on."""
    _lose_everything(world)
    pid = world.platform.pid("nats")
    _signal(pid, signal.SIGSTOP)
    _empty(world.home / "nats")
    _signal(pid, signal.SIGKILL)
    yield "wipe the store of nats-server and kill it"


@asynccontextmanager
async def wipe_while_down(world: World, _random: Random) -> AsyncIterator[str]:
    await world.stop()
    _lose_everything(world)
    _empty(world.home / "nats")
    yield "klever down, and wipe the store of nats-server"
    await world.start()


@asynccontextmanager
async def restore_older_store(world: World, _random: Random) -> AsyncIterator[str]:
    """What happened since the copy is lost; nobody's documents may be."""
    store, copy = world.home / "nats", world.home / "nats-copy"
    shutil.rmtree(copy, ignore_errors=True)
    pid = world.platform.pid("nats")
    _signal(pid, signal.SIGSTOP)
    shutil.copytree(store, copy)
    _signal(pid, signal.SIGCONT)
    yield "copy the store of nats-server, and restore it a while later"
    _lose_everything(world)
    pid = world.platform.pid("nats")
    _signal(pid, signal.SIGSTOP)
    _empty(store)
    shutil.copytree(copy, store, dirs_exist_ok=True)
    _signal(pid, signal.SIGKILL)
    world.timeline.say("the older store is back")


def _lose_everything(world: World) -> None:
    world.ledger.lost_serving_requests()
    world.ledger.lost_job_requests()
    world.ledger.lost_jobs()


def _empty(directory: Path) -> None:
    """Remove what is in it; the directory itself may be a disk's."""
    for entry in directory.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def _signal(pid: int, signum: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signum)
