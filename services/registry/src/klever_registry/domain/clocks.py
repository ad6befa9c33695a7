"""A clock without steps."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta


class SteadyClock:
    """The time at the start of the process plus the time since then.

    It measures ages. If the system's clock is set forward by a day, nothing becomes a day older: files that are written
    afterwards seem to come from the future, and are kept for a day longer.

    Args:
        wall: returns the time of day; called once.
        monotonic: returns monotonic seconds.
    """

    def __init__(self, wall: Callable[[], datetime], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._start, self._began, self._monotonic = wall(), monotonic(), monotonic

    def __call__(self) -> datetime:
        """Return the current time."""
        return self._start + timedelta(seconds=self._monotonic() - self._began)
