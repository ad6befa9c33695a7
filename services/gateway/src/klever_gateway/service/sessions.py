"""Login of browsers: a single-use code is exchanged for a session."""

import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

CODE_SECONDS = 300.0
SESSION_SECONDS = 12 * 3600.0
MAX_ENTRIES = 100
"""Most codes, and most sessions, at a time. A further one replaces the oldest."""


@dataclass(frozen=True)
class Session:
    """The session of a browser that has logged in.

    Calls require both secrets. Browsers send a cookie to every port of a host, so also to a server of another user on
    this machine, but only pages of the same origin can read the storage of a page.
    """

    cookie: str
    page_key: str
    """Stored by the gateway's pages and sent with each of their calls."""


@dataclass(frozen=True)
class Sessions:
    """Codes and sessions of this process. Browsers must log in again after a restart.

    Args:
        clock: monotonic seconds.
        new_secret: returns 256 random bits as text for URLs and cookies.
    """

    clock: Callable[[], float] = time.monotonic
    new_secret: Callable[[], str] = lambda: secrets.token_urlsafe(32)
    _codes: dict[str, float] = field(default_factory=dict)
    """Expiry by code."""
    _sessions: dict[str, tuple[Session, float]] = field(default_factory=dict)
    """Session and its expiry by cookie."""

    def new_code(self) -> str:
        """Return a code for one login within `CODE_SECONDS`."""
        code, now = self.new_secret(), self.clock()
        _make_room(self._codes, {known for known, end in self._codes.items() if end <= now})
        self._codes[code] = now + CODE_SECONDS
        return code

    def log_in(self, code: str) -> Session | None:
        """Exchange a code for a session. Returns None if the code is unknown, used or expired."""
        end, now = self._codes.pop(code, 0.0), self.clock()
        if end <= now:
            return None
        session = Session(self.new_secret(), self.new_secret())
        _make_room(self._sessions, {cookie for cookie, (_, end) in self._sessions.items() if end <= now})
        self._sessions[session.cookie] = (session, now + SESSION_SECONDS)
        return session

    def find(self, cookie: str) -> Session | None:
        """Return the session of a cookie, or None if it is unknown or expired."""
        session, end = self._sessions.get(cookie, (None, 0.0))
        return session if end > self.clock() else None


def has_page_key(session: Session, page_key: str) -> bool:
    """Return whether a call comes from a page of the session. Compares in constant time."""
    return hmac.compare_digest(session.page_key.encode(), page_key.encode(errors="surrogateescape"))


def _make_room(entries: dict[str, float] | dict[str, tuple[Session, float]], expired: set[str]) -> None:
    for key in expired:
        del entries[key]
    while len(entries) >= MAX_ENTRIES:
        del entries[next(iter(entries))]
