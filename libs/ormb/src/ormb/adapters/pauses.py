"""`Retry-After` (RFC 9110, 10.2.3): a host that says when to come back gets no request before that."""

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
"""Seconds that a request waits for in all; a host that wants more is not asked again."""
SAME = 1.0
"""Seconds by which two answers to requests sent together may differ without being two pauses."""


class Pauses:
    """Holds requests back, by host; shared by all that send requests.

    Args:
        clock: seconds since any time in the past.
        sleep: waits for so many seconds.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._until: dict[URL, float] = {}

    async def wait(self, url: URL) -> None:
        """Return once the URL's host may be asked. Raises ThrottledError where that is too far off."""
        while (left := self._until.get(url.origin(), 0.0) - self._clock()) > 0:
            if left > LONGEST_PAUSE:
                raise self._too_long(url, left)
            await self._sleep(left)

    def ask_for(self, url: URL, seconds: float, status: int) -> None:
        """Hold requests to the URL's host back for so many seconds. Raises ThrottledError where that is too long."""
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
    """Seconds that an answer asks to wait; None where it does not say, or says it in no known form.

    Args:
        headers: of the answer; a date is measured by the server's own clock, where `Date` says it.
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
