"""Creates the streams and buckets of the contract where they are missing."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

import nats.js.errors
from nats.js import JetStreamContext, api

from kleverproto.streams import BUCKETS, STREAMS, BucketSpec, StreamSpec

STORE_NOT_CREATED = 10049
"""JetStream's error code while the directory of a deleted stream of the same name is still being removed."""
TRIES, PAUSE = 20, 0.05


async def provision(
    js: JetStreamContext,
    *,
    replicas: int = 1,
    streams: Iterable[StreamSpec] = STREAMS,
    buckets: Iterable[BucketSpec] = BUCKETS,
) -> None:
    """Make streams and buckets exist as the contract says; safe to call from every service at once."""
    for stream in streams:
        await _once_storable(partial(_ensure_stream, js, _stream_config(stream, replicas)))
    for bucket in buckets:
        await _once_storable(partial(_ensure_bucket, js, bucket, replicas))


async def _once_storable(create: Callable[[], Awaitable[None]]) -> None:
    for _ in range(TRIES):
        try:
            return await create()
        except nats.js.errors.APIError as error:
            if error.err_code != STORE_NOT_CREATED:
                raise
            await asyncio.sleep(PAUSE)
    return await create()


def _stream_config(spec: StreamSpec, replicas: int) -> api.StreamConfig:
    return api.StreamConfig(
        name=spec.name,
        subjects=list(spec.subjects),
        storage=api.StorageType.FILE,
        max_age=spec.max_age.total_seconds(),
        duplicate_window=spec.duplicate_window.total_seconds(),
        num_replicas=replicas,
    )


async def _ensure_stream(js: JetStreamContext, config: api.StreamConfig) -> None:
    try:
        await js.add_stream(config)  # idempotent when the configuration is the same
    except nats.js.errors.BadRequestError:
        await js.update_stream(config)


async def _ensure_bucket(js: JetStreamContext, spec: BucketSpec, replicas: int) -> None:
    try:
        await js.key_value(spec.name)
    except nats.js.errors.NotFoundError:
        config = api.KeyValueConfig(bucket=spec.name, history=1, storage=api.StorageType.FILE, replicas=replicas)
        await js.create_key_value(config)
