"""`Retry-After` (RFC 9110, 10.2.3): no request is sent to a host before the time that it names."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from yarl import URL

from ormb.errors import ThrottledError

log = logging.getLogger(__name__)

LONGEST_PAUSE = 300.0
"""Maximum number of seconds that a request waits in total. If a host asks for more, the request fails."""
SAME = 1.0
"""Maximum difference in seconds between two responses that belong to the same pause."""


class Pauses:
    """Delays requests by host. All clients share one instance.

    Args:
        clock: seconds since any point in the past.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._until: dict[URL, float] = {}

    async def wait(self, url: URL) -> None:
        """Wait until requests to the URL's host are allowed. Raises ThrottledError if that takes too long."""
        while (left := self._until.get(url.origin(), 0.0) - self._clock()) > 0:
            if left > LONGEST_PAUSE:
                raise self._too_long(url, left)
            await self._sleep(left)

    def ask_for(self, url: URL, seconds: float, status: int) -> None:
        """Block requests to the URL's host for a number of seconds. Raises ThrottledError if that is too long."""
        until = self._clock() + seconds
        before = self._until.get(url.origin(), 0.0)
        self._until[url.origin()] = max(before, until)
        if seconds > LONGEST_PAUSE:
            raise self._too_long(url, seconds)
        if until - before > SAME:
            log.warning("%s answered %d: waiting %d seconds, as it asks", url.authority, status, math.ceil(seconds))

    def _too_long(self, url: URL, seconds: float) -> ThrottledError:
        at = (datetime.now(tz=UTC) + timedelta(seconds=seconds)).astimezone()
        return ThrottledError(
            f"{url.authority} takes no more requests for {math.ceil(seconds)} seconds: try again after "
            f"{at:%Y-%m-%d %H:%M:%S %Z}; ormb waits for {LONGEST_PAUSE:.0f} seconds at most"
        )


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that a response asks to wait; None without a valid header.

    Args:
        headers: of the response. A date is relative to the server's clock, if `Date` is present.
        now: seconds since 1970.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    at = _seconds_since_1970(text)
    if at is None:
        return None
    return max(0.0, at - (_seconds_since_1970(headers.get("Date", "")) or now))


def _seconds_since_1970(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, IndexError, TypeError):
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
