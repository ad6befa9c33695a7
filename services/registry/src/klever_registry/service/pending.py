"""The queue between a push and its announcement."""

import asyncio
from collections import deque
from dataclasses import dataclass

from kleverproto.references import ModelRef

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
NOTABLE_FAILURES = 8
"""After so many failures in a row a change is shown to people; until then it may be NATS that restarts."""
NAMED = 5
"""Changes that an alarm names."""


@dataclass(frozen=True)
class Observed:
    """A tag was seen to change."""

    ref: ModelRef
    digest: str | None
    """What was pushed; None means: see what the registry has now."""
    from_scratch: bool = False
    """Whether the catalogue forgets what it says of the version."""


class PendingTags:
    """Changes that wait, in order for each tag; one tag is never in two hands, and none waits for another.

    It is lost with the process: what it held is found again by comparing the registry with the catalogue.
    """

    def __init__(self) -> None:
        self._waiting: dict[ModelRef, deque[Observed]] = {}
        self._ready: asyncio.Queue[ModelRef] = asyncio.Queue()
        self._failures: dict[ModelRef, int] = {}
        self.stuck: dict[ModelRef, str] = {}
        """Versions that could not be announced, with the reason, until they are."""

    def add(self, observed: Observed) -> None:
        """A change to work on."""
        queue = self._waiting.get(observed.ref)
        if queue is not None:
            queue.append(observed)
            return
        self._waiting[observed.ref] = deque([observed])
        self._ready.put_nowait(observed.ref)

    def add_unless_waiting(self, ref: ModelRef) -> None:
        """Look at a tag, unless it will be looked at anyway."""
        if ref not in self._waiting:
            self.add(Observed(ref, None))

    async def take(self) -> Observed:
        """The next change; say `done`, `failed` or `park` afterwards."""
        return self._waiting[await self._ready.get()][0]

    def is_superseded(self, observed: Observed) -> bool:
        """Whether a later change of the same tag waits."""
        return len(self._waiting[observed.ref]) > 1

    def failures(self, observed: Observed) -> int:
        """How often in a row it has failed."""
        return self._failures.get(observed.ref, 0)

    def problem(self) -> str | None:
        """What could not be announced and why, as a sentence; None where there is nothing."""
        if not self.stuck:
            return None
        reasons = [f"{ref}: {reason}" for ref, reason in self.stuck.items()]
        return f"{len(reasons)} changes could not be announced, first {'; '.join(reasons[:NAMED])}"

    def done(self, observed: Observed) -> None:
        """It is worked off: the tag's next change may be taken."""
        self.stuck.pop(observed.ref, None)
        self._next(observed)

    def park(self, observed: Observed, reason: str) -> bool:
        """It cannot be worked off, for a reason that does not pass by itself; whether this is a new reason.

        The tag's next change may be taken; the next comparison of registry and catalogue brings the tag back.
        """
        is_new = self.stuck.get(observed.ref) != reason
        self.stuck[observed.ref] = reason
        self._next(observed)
        return is_new

    def failed(self, observed: Observed, reason: str) -> float:
        """It must be tried again: it is ready after a pause, which is returned and doubles each time."""
        failures = self._failures[observed.ref] = self.failures(observed) + 1
        if failures >= NOTABLE_FAILURES:
            self.stuck[observed.ref] = reason
        pause = min(FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 10), LONGEST_PAUSE_SECONDS)
        asyncio.get_running_loop().call_later(pause, self._ready.put_nowait, observed.ref)
        return pause

    def _next(self, observed: Observed) -> None:
        self._failures.pop(observed.ref, None)
        queue = self._waiting[observed.ref]
        queue.popleft()
        if queue:
            self._ready.put_nowait(observed.ref)
        else:
            del self._waiting[observed.ref]
