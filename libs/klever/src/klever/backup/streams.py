"""Saves and restores streams, buckets and the positions of consumers."""

from collections.abc import Mapping
from contextlib import suppress

import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext, api

from kleverkit.provisioning import bucket_config, stream_config
from kleverproto.streams import BUCKETS, STREAMS

from .answers import answered
from .errors import BackupError
from .members import CONSUMER_LIST, CONSUMERS, SAVED_STREAMS, Consumer, StreamState, chunk_name, state_name
from .reading import Backup
from .snapshots import restore, snapshot
from .writing import Archive


async def save_streams(client: Client, archive: Archive) -> None:
    """Add all streams, buckets and positions. Raises BackupError.

    The positions are read first: a request that was acknowledged later is delivered again after a restoration, so that
    none is lost whose effect the backup does not have.
    """
    positions = await _positions(client.jetstream())
    archive.add(CONSUMERS, CONSUMER_LIST.dump_json(positions, by_alias=True))
    for stream in SAVED_STREAMS:
        async with snapshot(client, stream) as taken:
            archive.add(state_name(stream), taken.state.model_dump_json().encode())
            number = 0
            async for chunk in taken.chunks:
                number += 1
                archive.add(chunk_name(stream, number), chunk)


async def restore_streams(client: Client, backup: Backup, *, replicas: int = 1) -> None:
    """Create all streams and buckets with the configuration of this release, and the consumers at their positions.

    Raises:
        BackupError: a stream exists, or cannot be restored; those that were created are then removed.
    """
    js = client.jetstream()
    await require_no_streams(js)
    created: list[str] = []
    try:
        for name, config in _configs(replicas).items():
            expected = backup.state(name)
            actual = await restore(client, config, expected, backup.chunks(name))
            created.append(name)
            await _check_restored(js, config, expected, actual)
        for consumer in backup.consumers():
            await answered(js.add_consumer(consumer.stream, _consumer_config(consumer)))
    except BaseException:
        with suppress(BackupError):  # the server may have exited
            for name in created:
                await answered(js.delete_stream(name))
        raise


async def require_no_streams(js: JetStreamContext) -> None:
    """Raise BackupError if a stream or bucket of a platform exists."""
    present = [name for name in SAVED_STREAMS if await _exists(js, name)]
    if present:
        raise BackupError(
            f"NATS is not empty: it has {', '.join(present)}. Restore into a server without the streams of a platform, "
            "with its services stopped"
        )


async def _exists(js: JetStreamContext, stream: str) -> bool:
    async def has_stream() -> bool:
        try:
            await js.stream_info(stream)
        except nats.js.errors.NotFoundError:
            return False
        return True

    return await answered(has_stream())


async def _check_restored(
    js: JetStreamContext, config: api.StreamConfig, expected: StreamState, actual: StreamState
) -> None:
    """Raise BackupError if a snapshot did not contain what it should."""
    name = str(config.name)
    if not _is_complete(expected, actual, expires=bool(config.max_age)):
        raise BackupError(f"the snapshot of {name} is damaged: NATS has restored another number of messages")
    if await answered(js.consumers_info(name)):
        raise BackupError(f"the snapshot of {name} contains consumers, which Klever does not save")


def _is_complete(expected: StreamState, actual: StreamState, *, expires: bool) -> bool:
    """Compare states. Messages of a stream with a maximum age may have expired since."""
    if expires:
        return actual.last_seq == expected.last_seq and actual.messages <= expected.messages
    return (actual.messages, actual.last_seq) == (expected.messages, expected.last_seq)


async def _positions(js: JetStreamContext) -> tuple[Consumer, ...]:
    missing = [name for name in SAVED_STREAMS if not await _exists(js, name)]
    if missing:
        raise BackupError(f"NATS lacks {', '.join(missing)}: wait until the platform is ready, see `klever status`")
    infos = [info for stream in STREAMS for info in await _consumers(js, stream.name)]
    return tuple(_position(info) for info in infos if _is_saved(info.config))


async def _consumers(js: JetStreamContext, stream: str) -> list[api.ConsumerInfo]:
    infos: list[api.ConsumerInfo] = []
    while page := await answered(js.consumers_info(stream, offset=len(infos))):
        infos += page
    return infos


def _is_saved(config: api.ConsumerConfig) -> bool:
    """Return whether a consumer is durable and pulled; readers create all others again."""
    return bool(config.durable_name) and not config.deliver_subject and config.ack_policy == api.AckPolicy.EXPLICIT


def _position(info: api.ConsumerInfo) -> Consumer:
    config = info.config
    filters = config.filter_subjects or ([config.filter_subject] if config.filter_subject else [])
    return Consumer(
        stream=info.stream_name,
        name=info.name,
        filters=tuple(filters),
        ack_wait=config.ack_wait or 0,
        max_deliver=config.max_deliver or -1,
        max_ack_pending=config.max_ack_pending or 0,
        floor=info.ack_floor.stream_seq if info.ack_floor else 0,
    )


def _consumer_config(consumer: Consumer) -> api.ConsumerConfig:
    one = consumer.filters[0] if len(consumer.filters) == 1 else None
    return api.ConsumerConfig(
        name=consumer.name,
        durable_name=consumer.name,
        filter_subject=one,
        filter_subjects=None if one else list(consumer.filters) or None,
        ack_policy=api.AckPolicy.EXPLICIT,
        ack_wait=consumer.ack_wait,
        max_deliver=consumer.max_deliver,
        max_ack_pending=consumer.max_ack_pending,
        deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=consumer.floor + 1,
    )


def _configs(replicas: int) -> Mapping[str, api.StreamConfig]:
    buckets = {bucket.stream: bucket_config(bucket, replicas) for bucket in BUCKETS}
    return buckets | {stream.name: stream_config(stream, replicas) for stream in STREAMS}
