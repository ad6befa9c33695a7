"""Positions of readers in the live events, and their filters."""

import re
from dataclasses import dataclass
from enum import StrEnum

from kleverproto.catalogue import BY_TYPE, EVENT_TYPES
from kleverproto.streams import JOBS, MODELS, SERVINGS

LIVE_STREAMS = (MODELS.name, JOBS.name, SERVINGS.name)
LIVE_TYPES = tuple(each for each in EVENT_TYPES if each.stream.name in LIVE_STREAMS)

_MARK = r"([0-9a-f]{1,16})\.(\d{1,18})"
_TEXT = re.compile("-".join([_MARK] * len(LIVE_STREAMS)))


@dataclass(frozen=True)
class Mark:
    """A place in a stream. The sequences of a stream that was deleted and created again restart at 1."""

    created: int
    """Creation time of the stream, in microseconds since 1970. Identifies the incarnation of the stream."""
    sequence: int
    """Sequence of the last event that was read; 0 for none."""

    def __str__(self) -> str:
        return f"{self.created:x}.{self.sequence}"


class Loss(StrEnum):
    """The reason why events may be missing after a mark."""

    RECREATED = "the stream was deleted and created again"
    OLDER = "the stream was replaced by an older copy of itself"
    EXPIRED = "events have expired before they were read"


def resume(mark: Mark, *, created: int, first: int, last: int) -> tuple[Mark, Loss | None]:
    """Return the mark after which reading resumes in the present stream, and the loss if events may be missing.

    Args:
        mark: the last event that was read.
        created: creation time of the present stream, in microseconds since 1970.
        first: sequence of its oldest event.
        last: sequence of its newest event.
    """
    if mark.created != created:
        return Mark(created, 0), Loss.RECREATED
    if mark.sequence > last:
        return Mark(created, last), Loss.OLDER
    if mark.sequence + 1 < first:
        return Mark(created, first - 1), Loss.EXPIRED
    return mark, None


@dataclass(frozen=True)
class Position:
    """A mark for each live stream, in the order of LIVE_STREAMS."""

    marks: tuple[Mark, ...]

    @classmethod
    def parse(cls, text: str) -> "Position | None":
        """Parse the result of `str`. Returns None for any other text."""
        match = _TEXT.fullmatch(text)
        if match is None:
            return None
        parts = match.groups()
        return cls(tuple(Mark(int(parts[at], 16), int(parts[at + 1])) for at in range(0, len(parts), 2)))

    def mark_of(self, stream: str) -> Mark:
        """Return the mark of a stream."""
        return self.marks[LIVE_STREAMS.index(stream)]

    def after(self, stream: str, mark: Mark) -> "Position":
        """Return the position with a newer mark for one stream."""
        index = LIVE_STREAMS.index(stream)
        return Position((*self.marks[:index], mark, *self.marks[index + 1 :]))

    def __str__(self) -> str:
        return "-".join(map(str, self.marks))


@dataclass(frozen=True)
class Interest:
    """Filter for events. The default matches all events."""

    types: frozenset[str] = frozenset()
    """CloudEvents types."""
    subject: str | None = None
    """CloudEvents subject: `project/model`, a job's id, or `namespace/name`."""

    @property
    def unknown_types(self) -> list[str]:
        """Types in the filter that the live streams do not carry."""
        return sorted(self.types - {each.type for each in LIVE_TYPES})

    def filters(self, stream: str) -> list[str]:
        """Return the matching NATS subjects of a stream; an empty list if none of its events match."""
        matching = [
            each for each in LIVE_TYPES if each.stream.name == stream and (not self.types or each.type in self.types)
        ]
        if self.subject is None:
            return [each.filter for each in matching]
        # Only the model's name can contain slashes, and it comes last.
        names = self.subject.split("/", 1)
        return [each.about(*names) for each in matching]


def job_interest(job: str) -> Interest:
    """Return the filter for all events of one job."""
    return Interest(types=frozenset(each.type for each in LIVE_TYPES if each.context == "job"), subject=job)


def serving_interest(namespace: str, name: str) -> Interest:
    """Return the filter for all events of one serving."""
    types = frozenset(each.type for each in BY_TYPE.values() if each.context == "serving")
    return Interest(types=types, subject=f"{namespace}/{name}")
