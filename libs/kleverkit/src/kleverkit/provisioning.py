"""Streams and buckets of the contract on the server: whether each is there as it should be, and how to make it so."""

import asyncio
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Protocol

import nats.js.errors
from nats.js import JetStreamContext, api

from kleverproto.streams import BUCKETS, STREAMS, BucketSpec, StreamSpec

NAME_IN_USE = 10058
"""JetStream's error code for a stream that another service has created meanwhile, with another first sequence."""
DUPLICATE_WINDOW_SECONDS = 120
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

    async def note(self, js: JetStreamContext) -> None:
        """Keep what is needed to create it again as it was when it was last seen."""
        ...


class StreamPart:
    """A stream of events.

    Args:
        spec: of the contract.
        replicas: copies in a cluster; None to leave an existing stream as it is, and to create one with one copy.
    """

    def __init__(self, spec: StreamSpec, replicas: int | None) -> None:
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
        await _create(js, api.StreamConfig(name=self.name, **self._wanted))

    async def note(self, js: JetStreamContext) -> None:
        """See `Part`: nothing."""


class BucketPart:
    """A KV bucket of documents.

    Args:
        spec: of the contract.
        replicas: as those of `StreamPart`.
    """

    def __init__(self, spec: BucketSpec, replicas: int | None) -> None:
        self.name = spec.name
        self._replicas = replicas
        self._present: api.StreamConfig | None = None
        self._config = api.StreamConfig(  # as NATS ADR-8 has it; nats-py's own call has no first sequence
            name=spec.stream,
            subjects=[spec.subjects],
            max_msgs_per_subject=1,
            discard=api.DiscardPolicy.NEW,
            allow_rollup_hdrs=True,
            allow_direct=True,
            deny_delete=True,
            duplicate_window=DUPLICATE_WINDOW_SECONDS,
            num_replicas=replicas or 1,
        )

    async def is_there(self, js: JetStreamContext) -> bool:
        """See `Part`."""
        self._present = None
        try:
            self._present = (await js.stream_info(self._config.name or "")).config
        except nats.js.errors.NotFoundError:
            return False
        return self._replicas in {None, self._present.num_replicas}

    async def make(self, js: JetStreamContext) -> None:
        """See `Part`."""
        if self._present is not None:
            await js.update_stream(self._present.evolve(num_replicas=self._replicas))
            return
        await _create(js, self._config)

    async def note(self, js: JetStreamContext) -> None:
        """See `Part`: nothing."""


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
    replicas: int | None = None,
    streams: Iterable[StreamSpec] = STREAMS,
    buckets: Iterable[BucketSpec] = BUCKETS,
) -> None:
    """Make streams and buckets exist as the contract says; safe to call from every service at once."""
    parts: list[Part] = [StreamPart(stream, replicas) for stream in streams]
    parts += [BucketPart(bucket, replicas) for bucket in buckets]
    for part in parts:
        if not await part.is_there(js):
            await make_storable(part, js)


async def _create(js: JetStreamContext, config: api.StreamConfig) -> None:
    """Create a stream whose sequences are higher than those of any predecessor of its name.

    Intents, revisions and positions of readers are compared with what was remembered of a stream that was lost: with
    sequences that begin at 1 again, everything new would look old. Milliseconds grow faster than messages do.
    """
    first = int(time.time() * 1000)
    try:
        await js.add_stream(config.evolve(storage=api.StorageType.FILE, first_seq=first))
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
