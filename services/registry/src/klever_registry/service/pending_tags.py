"""The queue of changed tags that wait for their announcement."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from opentelemetry.context import Context, get_current

from kleverproto.references import ModelRef

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
NOTABLE_FAILURES = 8
"""Number of consecutive failures after which a change is reported. Fewer may be a restart of NATS."""
MAX_NAMED = 5
"""Maximum number of changes in an alarm."""


@dataclass(frozen=True)
class Observed:
    """An observed change of a tag."""

    ref: ModelRef
    digest: str | None
    """The pushed digest; None to read the tag from the registry."""
    from_scratch: bool = False
    """True to rebuild the document without its present content."""
    trace: Context = field(default_factory=get_current, compare=False)
    """The trace of the request that changed the tag."""


class PendingTags:
    """Pending changes, in order for each tag. Changes of one tag are handled in sequence, others in parallel.

    The queue is lost at a restart. Comparing the registry with the catalogue finds the changes again.
    """

    def __init__(self) -> None:
        self._waiting: dict[ModelRef, deque[Observed]] = {}
        self._ready: asyncio.Queue[ModelRef] = asyncio.Queue()
        self._failures: dict[ModelRef, int] = {}
        self.stuck: dict[ModelRef, str] = {}
        """Versions that could not be announced, with the reason."""

    def add(self, observed: Observed) -> None:
        """Add a change."""
        queue = self._waiting.get(observed.ref)
        if queue is not None:
            queue.append(observed)
            return
        self._waiting[observed.ref] = deque([observed])
        self._ready.put_nowait(observed.ref)

    def add_unless_waiting(self, ref: ModelRef) -> None:
        """Add a change of a tag, unless one is pending."""
        if ref not in self._waiting:
            self.add(Observed(ref, None))

    async def take(self) -> Observed:
        """Wait for the next change. Call `done`, `failed` or `park` afterwards."""
        return self._waiting[await self._ready.get()][0]

    def is_superseded(self, observed: Observed) -> bool:
        """Return whether a later change of the same tag is pending."""
        return len(self._waiting[observed.ref]) > 1

    def failures(self, observed: Observed) -> int:
        """Return the number of consecutive failures."""
        return self._failures.get(observed.ref, 0)

    def problem(self) -> str | None:
        """Return the changes that could not be announced, with reasons, as a sentence; None if there are none."""
        if not self.stuck:
            return None
        reasons = [f"{ref}: {reason}" for ref, reason in self.stuck.items()]
        return f"{len(reasons)} changes could not be announced, first {'; '.join(reasons[:MAX_NAMED])}"

    def done(self, observed: Observed) -> None:
        """Remove a completed change, so that the next change of the tag can be taken."""
        self.stuck.pop(observed.ref, None)
        self._next(observed)

    def park(self, observed: Observed, reason: str) -> bool:
        """Remove a change that fails permanently, and return whether the reason is new.

        The next change of the tag can be taken. The next comparison of registry and catalogue adds the tag again.
        """
        is_new = self.stuck.get(observed.ref) != reason
        self.stuck[observed.ref] = reason
        self._next(observed)
        return is_new

    def failed(self, observed: Observed, reason: str) -> float:
        """Retry a change after a pause, which doubles each time, and return the pause."""
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
