"""Where a reader of the live events is, and what it wants to see."""

import re
from dataclasses import dataclass

from kleverproto.catalogue import BY_TYPE, EVENT_TYPES
from kleverproto.streams import JOBS, MODELS, SERVINGS

LIVE_STREAMS = (MODELS.name, JOBS.name, SERVINGS.name)
LIVE_TYPES = tuple(each for each in EVENT_TYPES if each.stream.name in LIVE_STREAMS)

_TEXT = re.compile(r"(\d{1,18})-(\d{1,18})-(\d{1,18})")


@dataclass(frozen=True)
class Position:
    """The last sequence seen of each live stream, in the order of LIVE_STREAMS."""

    sequences: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> "Position | None":
        """Read what `str` gave; None for anything else."""
        match = _TEXT.fullmatch(text)
        return cls(tuple(int(part) for part in match.groups())) if match else None

    def of(self, stream: str) -> int:
        """The last sequence seen of a stream."""
        return self.sequences[LIVE_STREAMS.index(stream)]

    def after(self, stream: str, sequence: int) -> "Position":
        """The position once this event is seen too."""
        index = LIVE_STREAMS.index(stream)
        return Position((*self.sequences[:index], sequence, *self.sequences[index + 1 :]))

    def within(self, end: "Position") -> "Position":
        """This position, but not behind the end: a stream that was made anew is followed from where it is."""
        return Position(tuple(min(pair) for pair in zip(self.sequences, end.sequences, strict=True)))

    def __str__(self) -> str:
        return "-".join(map(str, self.sequences))


@dataclass(frozen=True)
class Interest:
    """Which events a reader wants; everything where nothing is said."""

    types: frozenset[str] = frozenset()
    """CloudEvents types."""
    subject: str | None = None
    """CloudEvents subject: `project/model`, a job's id, or `namespace/name`."""

    @property
    def unknown_types(self) -> list[str]:
        """Wanted types that the contract does not have in the live streams."""
        return sorted(self.types - {each.type for each in LIVE_TYPES})

    def filters(self, stream: str) -> list[str]:
        """The NATS subjects of a stream that match; none means that nothing of it is wanted."""
        wanted = [
            each for each in LIVE_TYPES if each.stream.name == stream and (not self.types or each.type in self.types)
        ]
        if self.subject is None:
            return [each.filter for each in wanted]
        # Only the model's name, which comes last, can hold slashes.
        names = self.subject.split("/", 1)
        return [each.about(*names) for each in wanted]


def job_interest(job: str) -> Interest:
    """Every event of one job."""
    return Interest(types=frozenset(each.type for each in LIVE_TYPES if each.context == "job"), subject=job)


def serving_interest(namespace: str, name: str) -> Interest:
    """Every event of one serving."""
    types = frozenset(each.type for each in BY_TYPE.values() if each.context == "serving")
    return Interest(types=types, subject=f"{namespace}/{name}")
