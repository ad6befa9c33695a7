"""Limits on guessing passwords: failed logins are counted by account and source, and by source. No I/O."""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FREE_OF_ACCOUNT, FREE_OF_SOURCE = 5, 20
"""Consecutive failures without a pause: of one account from one source, and of all accounts from one source."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
FORGOTTEN_SECONDS = 900.0
"""Time without a failure after which earlier failures are forgotten."""
MAX_ENTRIES = 20_000
IPV6_SITE = 64
"""Length of the IPv6 prefix that one customer gets. Its addresses count as one source."""

Key = tuple[str, str]
ALL = ""
"""Key for all accounts. No account has this name."""


@dataclass
class _Failures:
    count: int
    last: float


class LoginLimits:
    """Records failed logins. The pause doubles with each failure, up to a minute.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._failures: OrderedDict[Key, _Failures] = OrderedDict()

    def pause_of_account(self, source: str, name: str) -> float:
        """Return the seconds for which passwords of this account from this source are not checked; 0 if they are."""
        return self._pause((source, name), FREE_OF_ACCOUNT)

    def pause_of_source(self, source: str) -> float:
        """Return the seconds for which passwords of all accounts from this source are not checked."""
        return self._pause((source, ALL), FREE_OF_SOURCE)

    def record_failure(self, source: str, name: str) -> None:
        """Record a wrong name or password."""
        self._count((source, name))
        self._count((source, ALL))

    def record_withheld(self, source: str, name: str) -> None:
        """Record a password that was not checked because of a pause."""
        self._count((source, name))

    def record_success(self, source: str, name: str) -> None:
        """Record a successful login. Failures with other accounts still count."""
        self._failures.pop((source, name), None)

    def _count(self, key: Key) -> None:
        known = self._known(key)
        self._failures[key] = _Failures(known.count + 1 if known else 1, self._now())
        self._failures.move_to_end(key)
        if len(self._failures) > MAX_ENTRIES:
            self._failures.popitem(last=False)

    def _known(self, key: Key) -> _Failures | None:
        known = self._failures.get(key)
        return known if known is not None and self._now() - known.last < FORGOTTEN_SECONDS else None

    def _pause(self, key: Key, free: int) -> float:
        known = self._known(key)
        if known is None or known.count < free:
            return 0.0
        pause = min(FIRST_PAUSE_SECONDS * 2.0 ** min(known.count - free, 10), LONGEST_PAUSE_SECONDS)
        return max(0.0, known.last + pause - self._now())


def source_of(address: str | None) -> str:
    """Return the source for which failures from an address are counted."""
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return address or ""
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, IPV6_SITE), strict=False))
