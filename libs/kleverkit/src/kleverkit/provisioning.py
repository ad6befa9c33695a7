"""Streams and buckets of the contract on the server: whether each is there as it should be, and how to make it so."""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Protocol

import nats.js.errors
from nats.js import JetStreamContext, api

from kleverproto.streams import BUCKETS, STREAMS, BucketSpec, StreamSpec

STORE_NOT_CREATED = 10049
"""JetStream's error code while the directory of a deleted stream of the same name is still being removed."""
TRIES, PAUSE = 20, 0.05


class Part(Protocol):
    """Something on the server that a service cannot work without. Methods raise what nats-py raises."""

    @property
    def name(self) -> str:
        """As operators know it."""
        ...

    async def is_there(self, js: JetStreamContext) -> bool:
        """Whether it exists as the contract says."""
        ...

    async def make(self, js: JetStreamContext) -> None:
        """Create it, or bring it up to date; nothing happens where another service was first."""
        ...


class StreamPart:
    """A stream of events."""

    def __init__(self, spec: StreamSpec, replicas: int) -> None:
        self.name = spec.name
        self.created: datetime | None = None
        """When the server created the stream that was seen last: one that was deleted and made again is another."""
        self._wanted = _stream_settings(spec, replicas)
        self._present: api.StreamConfig | None = None

    async def is_there(self, js: JetStreamContext) -> bool:
        """See `Part`."""
        self._present = None
        try:
            info = await js.stream_info(self.name)
        except nats.js.errors.NotFoundError:
            return False
        self._present, self.created = info.config, info.created
        return all(getattr(info.config, key) == value for key, value in self._wanted.items())

    async def make(self, js: JetStreamContext) -> None:
        """See `Part`."""
        if self._present is not None:
            await js.update_stream(self._present.evolve(**self._wanted))
            return
        await js.add_stream(api.StreamConfig(name=self.name, storage=api.StorageType.FILE, **self._wanted))


class BucketPart:
    """A KV bucket of documents."""

    def __init__(self, spec: BucketSpec, replicas: int) -> None:
        self.name = spec.name
        self._config = api.KeyValueConfig(bucket=spec.name, history=1, storage=api.StorageType.FILE, replicas=replicas)

    async def is_there(self, js: JetStreamContext) -> bool:
        """See `Part`."""
        try:
            await js.key_value(self.name)
        except nats.js.errors.NotFoundError:
            return False
        return True

    async def make(self, js: JetStreamContext) -> None:
        """See `Part`."""
        await js.create_key_value(self._config)


async def make_storable(part: Part, js: JetStreamContext) -> None:
    """Make a part, waiting for the directory of a deleted namesake to go."""
    for _ in range(TRIES):
        try:
            return await part.make(js)
        except nats.js.errors.APIError as error:
            if error.err_code != STORE_NOT_CREATED:
                raise
            await asyncio.sleep(PAUSE)
    return await part.make(js)


async def provision(
    js: JetStreamContext,
    *,
    replicas: int = 1,
    streams: Iterable[StreamSpec] = STREAMS,
    buckets: Iterable[BucketSpec] = BUCKETS,
) -> None:
    """Make streams and buckets exist as the contract says; safe to call from every service at once."""
    parts: list[Part] = [StreamPart(stream, replicas) for stream in streams]
    parts += [BucketPart(bucket, replicas) for bucket in buckets]
    for part in parts:
        if not await part.is_there(js):
            await make_storable(part, js)


def _stream_settings(spec: StreamSpec, replicas: int) -> dict[str, Any]:
    return {
        "subjects": list(spec.subjects),
        "max_age": _seconds(spec.max_age),
        "duplicate_window": _seconds(spec.duplicate_window),
        "num_replicas": replicas,
    }


def _seconds(duration: timedelta) -> float:
    return duration.total_seconds()
