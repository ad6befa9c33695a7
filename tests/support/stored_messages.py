"""All messages of the streams and buckets of a platform, to compare it with its backup."""

from dataclasses import dataclass
from datetime import datetime

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from klever.backup.members import SAVED_STREAMS


@dataclass(frozen=True)
class Message:
    """A message as it is stored."""

    sequence: int
    subject: str
    data: bytes
    headers: tuple[tuple[str, str], ...]
    time: datetime | None


async def stored_messages(js: JetStreamContext) -> dict[str, list[Message]]:
    """Return the messages of each stream in order."""
    return {stream: await messages_of(js, stream) for stream in SAVED_STREAMS}


async def messages_of(js: JetStreamContext, stream: str) -> list[Message]:
    """Return the messages of a stream in order."""
    messages: list[Message] = []
    sequence = 1
    while True:
        try:
            message = await js.get_msg(stream, sequence, subject=">", next=True)
        except NotFoundError:
            return messages
        headers = tuple(sorted((message.headers or {}).items()))
        position = message.seq or 0
        messages.append(Message(position, str(message.subject), message.data or b"", headers, message.time))
        sequence = position + 1
