"""How a browser gets in: a code that is good once becomes a session."""

import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

CODE_SECONDS = 300.0
SESSION_SECONDS = 12 * 3600.0
MOST = 100
"""Codes, and sessions, at a time; a further one takes the place of the oldest."""


@dataclass(frozen=True)
class Session:
    """A browser that was let in.

    Browsers send a cookie to every port of a host, so also to a server of another user on this machine; what a page
    stores is for its own origin only. That is why calls need both.
    """

    cookie: str
    page_key: str
    """Kept by the gateway's pages, and sent with each of their calls."""


@dataclass(frozen=True)
class Sessions:
    """Codes and sessions of this process; whoever was let in has to come again after its end.

    Args:
        clock: seconds, growing.
        new_secret: 256 random bits as text for URLs and cookies.
    """

    clock: Callable[[], float] = time.monotonic
    new_secret: Callable[[], str] = lambda: secrets.token_urlsafe(32)
    _codes: dict[str, float] = field(default_factory=dict)
    """Code to when it ends."""
    _sessions: dict[str, tuple[Session, float]] = field(default_factory=dict)
    """Cookie to session, and when it ends."""

    def new_code(self) -> str:
        """A code for one login within `CODE_SECONDS`."""
        code, now = self.new_secret(), self.clock()
        _make_room(self._codes, {known for known, end in self._codes.items() if end <= now})
        self._codes[code] = now + CODE_SECONDS
        return code

    def log_in(self, code: str) -> Session | None:
        """A session for a code, which is used up; None where it is unknown, used, or too old."""
        end, now = self._codes.pop(code, 0.0), self.clock()
        if end <= now:
            return None
        session = Session(self.new_secret(), self.new_secret())
        _make_room(self._sessions, {cookie for cookie, (_, end) in self._sessions.items() if end <= now})
        self._sessions[session.cookie] = (session, now + SESSION_SECONDS)
        return session

    def find(self, cookie: str) -> Session | None:
        """The session of a cookie, while it lasts."""
        session, end = self._sessions.get(cookie, (None, 0.0))
        return session if end > self.clock() else None


def is_of(session: Session, page_key: str) -> bool:
    """Whether a call comes from the page that was let in."""
    return hmac.compare_digest(session.page_key.encode(), page_key.encode(errors="surrogateescape"))


def _make_room(kept: dict[str, float] | dict[str, tuple[Session, float]], ended: set[str]) -> None:
    for key in ended:
        del kept[key]
    while len(kept) >= MOST:
        del kept[next(iter(kept))]
