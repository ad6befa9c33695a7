"""Checks and creates the streams and buckets of the contract on the server."""

import asyncio
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Protocol

import nats.js.errors
from nats.js import JetStreamContext, api

from kleverproto.streams import BUCKETS, STREAMS, BucketSpec, StreamSpec

NAME_IN_USE = 10058
"""JetStream's error code for a stream that another service has created with another first sequence."""
DUPLICATE_WINDOW_SECONDS = 120
STORE_NOT_CREATED = 10049
"""JetStream's error code while the directory of a deleted stream of the same name is still being removed."""
TRIES, PAUSE = 20, 0.05


class Part(Protocol):
    """An object on the server that a service needs. Methods raise the errors of nats-py."""

    @property
    def name(self) -> str:
        """The name of the object, for operators."""
        ...

    async def exists(self, js: JetStreamContext) -> bool:
        """Return whether the object exists with the configuration of the contract."""
        ...

    async def create(self, js: JetStreamContext) -> None:
        """Create or update the object; no effect if another service has done so."""
        ...

    async def save_state(self, js: JetStreamContext) -> None:
        """Store the state that is needed to recreate the object."""
        ...


class StreamPart:
    """A stream of events.

    Args:
        spec: the stream in the contract.
        replicas: number of replicas in a cluster; None leaves an existing stream as it is, and creates one with one.
    """

    def __init__(self, spec: StreamSpec, replicas: int | None) -> None:
        self.name = spec.name
        self.created: datetime | None = None
        """Time when the server created the stream, by which a recreated stream is detected."""
        self._wanted = _stream_settings(spec, replicas)
        self._config = stream_config(spec, replicas)
        self._present: api.StreamConfig | None = None

    async def exists(self, js: JetStreamContext) -> bool:
        """See `Part`."""
        self._present = None
        try:
            info = await js.stream_info(self.name)
        except nats.js.errors.NotFoundError:
            return False
        self._present, self.created = info.config, info.created
        return all(getattr(info.config, key) == value for key, value in self._wanted.items())

    async def create(self, js: JetStreamContext) -> None:
        """See `Part`."""
        if self._present is not None:
            await js.update_stream(self._present.evolve(**self._wanted))
            return
        await _create(js, self._config)

    async def save_state(self, js: JetStreamContext) -> None:
        """See `Part`: nothing."""


class BucketPart:
    """A KV bucket of documents.

    Args:
        spec: the bucket in the contract.
        replicas: see `StreamPart`.
    """

    def __init__(self, spec: BucketSpec, replicas: int | None) -> None:
        self.name = spec.name
        self._replicas = replicas
        self._present: api.StreamConfig | None = None
        self._config = bucket_config(spec, replicas)

    async def exists(self, js: JetStreamContext) -> bool:
        """See `Part`."""
        self._present = None
        try:
            self._present = (await js.stream_info(self._config.name or "")).config
        except nats.js.errors.NotFoundError:
            return False
        return self._replicas in {None, self._present.num_replicas}

    async def create(self, js: JetStreamContext) -> None:
        """See `Part`."""
        if self._present is not None:
            await js.update_stream(self._present.evolve(num_replicas=self._replicas))
            return
        await _create(js, self._config)

    async def save_state(self, js: JetStreamContext) -> None:
        """See `Part`: nothing."""


def stream_config(spec: StreamSpec, replicas: int | None) -> api.StreamConfig:
    """Return the configuration of a new stream."""
    return api.StreamConfig(name=spec.name, storage=api.StorageType.FILE, **_stream_settings(spec, replicas))


def bucket_config(spec: BucketSpec, replicas: int | None) -> api.StreamConfig:
    """Return the configuration of a new bucket, as in NATS ADR-8; nats-py's function cannot set the first sequence."""
    return api.StreamConfig(
        name=spec.stream,
        subjects=[spec.subjects],
        storage=api.StorageType.FILE,
        max_msgs_per_subject=1,
        discard=api.DiscardPolicy.NEW,
        allow_rollup_hdrs=True,
        allow_direct=True,
        deny_delete=True,
        duplicate_window=DUPLICATE_WINDOW_SECONDS,
        num_replicas=replicas or 1,
    )


async def create_when_storable(part: Part, js: JetStreamContext) -> None:
    """Create a part; wait until the server has removed the directory of a deleted stream with the same name."""
    for _ in range(TRIES):
        try:
            return await part.create(js)
        except nats.js.errors.APIError as error:
            if error.err_code != STORE_NOT_CREATED:
                raise
            await asyncio.sleep(PAUSE)
    return await part.create(js)


async def provision(
    js: JetStreamContext,
    *,
    replicas: int | None = None,
    streams: Iterable[StreamSpec] = STREAMS,
    buckets: Iterable[BucketSpec] = BUCKETS,
) -> None:
    """Create or update streams and buckets as the contract specifies; services may call this concurrently."""
    parts: list[Part] = [StreamPart(stream, replicas) for stream in streams]
    parts += [BucketPart(bucket, replicas) for bucket in buckets]
    for part in parts:
        if not await part.exists(js):
            await create_when_storable(part, js)


async def _create(js: JetStreamContext, config: api.StreamConfig) -> None:
    """Create a stream whose sequences are higher than those of any earlier stream with the same name.

    Services compare intents, revisions and positions with remembered ones, possibly of a lost stream. If sequences
    began at 1 again, new messages would be treated as late. Therefore the first sequence is the time in milliseconds.
    """
    first = int(time.time() * 1000)
    try:
        await js.add_stream(config.evolve(first_seq=first))
    except nats.js.errors.BadRequestError as error:
        if error.err_code != NAME_IN_USE:
            raise


def _stream_settings(spec: StreamSpec, replicas: int | None) -> dict[str, Any]:
    return ({} if replicas is None else {"num_replicas": replicas}) | {
        "subjects": list(spec.subjects),
        "max_age": _seconds(spec.max_age),
        "duplicate_window": _seconds(spec.duplicate_window),
    }


def _seconds(duration: timedelta) -> float:
    return duration.total_seconds()
