"""Progress reports of long operations."""

from collections.abc import Awaitable, Callable

OnStep = Callable[[str], Awaitable[None]]
"""Called with a description of a step that takes long, for people."""
