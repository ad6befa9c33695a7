"""Stores the position of each consumer on NATS, in case a consumer is lost (docs/adr/0019)."""

from datetime import datetime

import nats.js.errors
from nats.js import JetStreamContext, api

from kleverproto.base import WireModel
from kleverproto.streams import POSITIONS_BUCKET

from .nats_calls import MESSAGE_NOT_FOUND


class Position(WireModel):
    """The last known position of a consumer."""

    stream_created: datetime
    """Time when the stream was created; a recreated stream restarts its sequence."""
    floor: int
    """All messages up to this sequence were acknowledged."""


async def load(js: JetStreamContext, consumer: str) -> Position | None:
    """Load the last saved position; None if there is none. Raises the errors of nats-py."""
    try:
        message = await js.get_last_msg(f"KV_{POSITIONS_BUCKET.name}", _subject(consumer))
    except nats.js.errors.NotFoundError as error:
        if error.err_code != MESSAGE_NOT_FOUND:  # the bucket is missing, so the position is unknown
            raise
        return None
    return Position.model_validate_json(message.data or b"")


async def save(js: JetStreamContext, consumer: str, position: Position) -> None:
    """Save a position. Raises the errors of nats-py."""
    await js.publish(_subject(consumer), position.model_dump_json().encode(), stream=f"KV_{POSITIONS_BUCKET.name}")


def start_after(last: Position | None, stream: api.StreamInfo) -> dict[str, object]:
    """The start of a new consumer: after the saved position, or at the stream's first message."""
    if last is None or last.stream_created != stream.created or last.floor > stream.state.last_seq:
        return {"deliver_policy": api.DeliverPolicy.ALL}
    return {"deliver_policy": api.DeliverPolicy.BY_START_SEQUENCE, "opt_start_seq": last.floor + 1}


def _subject(consumer: str) -> str:
    return f"$KV.{POSITIONS_BUCKET.name}.{consumer}"
