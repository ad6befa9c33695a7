"""Progress of what takes a while."""

from collections.abc import Awaitable, Callable

OnStep = Callable[[str], Awaitable[None]]
"""Called with a step that takes a while, for people."""
