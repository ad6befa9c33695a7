"""Messages that were given up: for operators."""

from .base import WireModel


class DeadLettered(WireModel):
    """A message that no handler could take: published once, with the reason."""

    stream: str
    sequence: int
    """Position in the stream, so that an operator can read the original."""
    subject: str
    consumer: str
    deliveries: int
    reason: str
    """`poison` (it can never be handled) or `exhausted` (every try failed)."""
    error: str
