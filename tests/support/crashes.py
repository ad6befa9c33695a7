"""A process that is killed before a certain write: every later write of documents and events fails."""

from typing import Any, Generic

from kleverkit.documents import DocT
from kleverkit.memory_documents import InMemoryDocuments
from kleverkit.publisher import RecordingPublisher
from kleverproto.documents import Tombstone
from kleverproto.envelope import Event


class CrashError(Exception):
    """The process is gone."""


class Crash:
    """Lets a number of writes pass, then none until the process restarts. Counts documents and events together."""

    def __init__(self) -> None:
        self._left: int | None = None

    def after(self, writes: int) -> None:
        """Crash after this number of writes."""
        self._left = writes

    def restart(self) -> bool:
        """Let every write pass again. Return whether there was a crash."""
        crashed = self._left is not None and self._left < 0
        self._left = None
        return crashed

    def check(self) -> None:
        """Count a write before it happens. Raises CrashError."""
        if self._left is None:
            return
        self._left -= 1
        if self._left < 0:
            raise CrashError


class CrashingDocuments(InMemoryDocuments[DocT], Generic[DocT]):
    """See `InMemoryDocuments`."""

    def __init__(self, crash: Crash) -> None:
        super().__init__()
        self._crash = crash

    async def create(self, key: str, document: DocT) -> int:
        """See `Documents`."""
        self._crash.check()
        return await super().create(key, document)

    async def update(self, key: str, document: DocT, revision: int) -> int:
        """See `Documents`."""
        self._crash.check()
        return await super().update(key, document, revision)

    async def bury(self, key: str, tombstone: Tombstone[DocT], revision: int) -> int:
        """See `Documents`."""
        self._crash.check()
        return await super().bury(key, tombstone, revision)


class CrashingPublisher(RecordingPublisher):
    """See `RecordingPublisher`."""

    def __init__(self, crash: Crash) -> None:
        super().__init__()
        self._crash = crash

    async def publish(self, event: Event[Any]) -> None:
        """See `EventPublisher`."""
        self._crash.check()
        await super().publish(event)
