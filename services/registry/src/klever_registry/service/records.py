"""What the use cases that change the catalogue share."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from kleverkit.documents import Documents
from kleverkit.publisher import EventPublisher
from kleverproto.envelope import EventSource
from kleverproto.models import ModelDocument


@dataclass(frozen=True)
class Records:
    """The catalogue's documents, and the events that tell of their changes."""

    documents: Documents[ModelDocument]
    publisher: EventPublisher
    events: EventSource
    clock: Callable[[], datetime]
