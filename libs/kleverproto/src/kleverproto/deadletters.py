"""Dead letters: records for operators of messages that could not be handled."""

from .base import WireModel


class DeadLettered(WireModel):
    """A message could not be handled. Published once per message."""

    stream: str
    sequence: int
    """Sequence of the message in the stream, with which an operator can read it."""
    subject: str
    consumer: str
    deliveries: int
    reason: str
    """`poison` (the message can never be handled) or `exhausted` (every delivery failed)."""
    error: str
