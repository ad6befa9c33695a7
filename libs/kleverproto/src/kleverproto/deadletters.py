"""Dead letters: messages that could not be handled, for operators."""

from .base import WireModel


class DeadLettered(WireModel):
    """A message that could not be handled, with the reason; published once."""

    stream: str
    sequence: int
    """Position in the stream, so that an operator can read the original."""
    subject: str
    consumer: str
    deliveries: int
    reason: str
    """`poison` (it can never be handled) or `exhausted` (every try failed)."""
    error: str
