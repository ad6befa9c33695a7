"""How far each consumer has come, kept on NATS, for the case that a consumer is lost (docs/adr/0019)."""

from datetime import datetime

import nats.js.errors
from nats.js import JetStreamContext, api

from kleverproto.base import WireModel
from kleverproto.streams import POSITIONS_BUCKET

from .nats_calls import MESSAGE_NOT_FOUND


class Position(WireModel):
    """How far a consumer had come when it was last seen."""

    stream_created: datetime
    """Of which stream: a recreated one restarts its sequence."""
    floor: int
    """Every message up to this sequence was acknowledged."""


async def load(js: JetStreamContext, consumer: str) -> Position | None:
    """The position that was saved last, or None. Raises what nats-py raises."""
    try:
        message = await js.get_last_msg(f"KV_{POSITIONS_BUCKET.name}", _subject(consumer))
    except nats.js.errors.NotFoundError as error:
        if error.err_code != MESSAGE_NOT_FOUND:  # the bucket is missing, which says nothing about the position
            raise
        return None
    return Position.model_validate_json(message.data or b"")


async def save(js: JetStreamContext, consumer: str, position: Position) -> None:
    """Replace the saved position. Raises what nats-py raises."""
    await js.publish(_subject(consumer), position.model_dump_json().encode(), stream=f"KV_{POSITIONS_BUCKET.name}")


def start_after(last: Position | None, stream: api.StreamInfo) -> dict[str, object]:
    """Where a new consumer starts: after what its predecessor saw acknowledged, or at the stream's first message."""
    if last is None or last.stream_created != stream.created or last.floor > stream.state.last_seq:
        return {"deliver_policy": api.DeliverPolicy.ALL}
    return {"deliver_policy": api.DeliverPolicy.BY_START_SEQUENCE, "opt_start_seq": last.floor + 1}


def _subject(consumer: str) -> str:
    return f"$KV.{POSITIONS_BUCKET.name}.{consumer}"
