"""NATS subjects and KV keys. They are built only here."""

import re
from itertools import zip_longest

PREFIX = "klever"

_UNSAFE = re.compile(rb"[^A-Za-z0-9_-]")
_ESCAPED = re.compile(rb"=([0-9A-F]{2})")


def escape(name: str) -> str:
    """Escape a name as one token of a subject or a KV key: each unsafe UTF-8 byte becomes `=XX`.

    KV keys allow only `-/_=.a-zA-Z0-9`, so that percent encoding is not possible.
    """
    return _UNSAFE.sub(lambda match: b"=%02X" % match[0][0], name.encode()).decode("ascii")


def unescape(token: str) -> str:
    """Return the name of an escaped token."""
    return _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), token.encode("ascii")).decode()


def join(*names: str) -> str:
    """Escape the names and join them with dots, as a KV key or as the end of a subject."""
    return ".".join(escape(name) for name in names)


def split(key: str) -> tuple[str, ...]:
    """Return the names of a key or of the end of a subject."""
    return tuple(unescape(token) for token in key.split("."))


def subject(context: str, event: str, *names: str) -> str:
    """Return the subject of an event about one object, given by its names."""
    return f"{PREFIX}.{context}.{event}.{join(*names)}"


def every(context: str, event: str = "", *kinds: str) -> str:
    """Return the filter for all subjects of a context, of one of its events, or of one kind of that event."""
    return ".".join((PREFIX, context, *((event,) if event else ()), *map(escape, kinds), ">"))


def any_kind(context: str, event: str, *names: str) -> str:
    """Return the filter for an event of any kind about one object, given by its names."""
    return f"{PREFIX}.{context}.{event}.*.{join(*names)}"


def dead(stream: str) -> str:
    """Return the subject of a stream's dead letters."""
    return f"{PREFIX}.dead.{stream}"


def covers(pattern: str, inner: str) -> bool:
    """Return whether the pattern matches all subjects that the inner filter matches."""
    return _fits(pattern.split("."), inner.split("."), inner_may_be_wider=False)


def overlap(one: str, other: str) -> bool:
    """Return whether a subject can match both filters."""
    return _fits(one.split("."), other.split("."), inner_may_be_wider=True)


def _fits(pattern: list[str], inner: list[str], *, inner_may_be_wider: bool) -> bool:
    for ours, theirs in zip_longest(pattern, inner):
        if ours is None or theirs is None:
            return False
        if ours == ">" or (theirs == ">" and inner_may_be_wider):
            return True
        if theirs == ">" or not (ours in ("*", theirs) or (theirs == "*" and inner_may_be_wider)):
            return False
    return True
