"""Watches the bucket of jobs for the state of other jobrunners."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from klever_jobrunner.domain.life import Known
from kleverkit.documents import Buried, Documents, Snapshot, Stored
from kleverproto.jobs import JobDocument, JobKind, JobPhase
from kleverproto.subjects import escape

Listener = Callable[[str, Known], None]
"""Called with the key of a job that was written, and the new entry."""


@dataclass(frozen=True)
class Sighting:
    """The last written state of a job that has not ended."""

    document: JobDocument
    revision: int
    since: float
    """Monotonic seconds of this process at which the revision was first read."""


class JobMonitor:
    """Jobs that have not ended, and the time since each was last written.

    This process measures ages by its own clock, and only while it can read the bucket: no clocks are compared, and the
    time while NATS is not available does not count.

    Args:
        documents: the bucket.
        clock: monotonic seconds.
    """

    def __init__(self, documents: Documents[JobDocument], clock: Callable[[], float] = time.monotonic) -> None:
        self._documents = documents
        self._clock = clock
        self._unfinished: dict[str, Sighting] = {}
        self._listeners: list[Listener] = []
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    async def run(self) -> None:
        """Run the background loop."""
        async for change in self._documents.changes():
            if isinstance(change, Snapshot):
                self._restart(change)
            else:
                self._note(change.key, change.document or change.deletion, change.revision)

    def listen(self, listener: Listener) -> None:
        """Call the listener after each write of a job; twice for a write of this process."""
        self._listeners.append(listener)

    def observe(self, recorded: Stored[JobDocument] | Buried[JobDocument]) -> None:
        """Add an entry that this process has read or written, before the watch delivers it."""
        known = recorded.document if isinstance(recorded, Stored) else recorded.tombstone
        self._note(recorded.key, known, recorded.revision)

    def unfinished(self) -> Iterator[Sighting]:
        """The jobs that have not ended, ordered by the time of the last write, oldest first."""
        return iter(sorted(self._unfinished.values(), key=lambda sighting: sighting.revision))

    def age(self, job: Stored[JobDocument]) -> float:
        """The seconds for which a job is known to be unchanged."""
        sighting = self._unfinished.get(job.key)
        if sighting is None or sighting.revision != job.revision:
            return 0.0
        return self._clock() - sighting.since

    def age_of(self, sighting: Sighting) -> float:
        """The seconds since a job was written."""
        return self._clock() - sighting.since

    def running(self, kind: JobKind, *, except_by: str) -> Counter[str]:
        """The number of jobs of a kind that other jobrunners run, by project."""
        jobs = (sighting.document for sighting in self._unfinished.values())
        return Counter(
            job.spec.ref.project
            for job in jobs
            if job.spec.kind is kind and job.status.phase is JobPhase.RUNNING and job.status.runner != except_by
        )

    async def wait_for_write(self, job: str, *, within: float) -> None:
        """Return when the job is written, or after this number of seconds."""
        key, written = escape(job), asyncio.Event()
        self._waiting[key].add(written)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await written.wait()
        finally:
            self._waiting[key].discard(written)
            if not self._waiting[key]:
                del self._waiting[key]

    def _restart(self, snapshot: Snapshot[JobDocument]) -> None:
        """Reset the ages after a gap in the watch, since renewals of claims may have been missed."""
        self._unfinished = {key: replace(each, since=self._clock()) for key, each in self._unfinished.items()}
        present = {stored.key for stored in snapshot.documents}
        for key in self._unfinished.keys() - present:
            del self._unfinished[key]
        for stored in snapshot.documents:
            self._note(stored.key, stored.document, stored.revision)
        for buried in snapshot.buried:
            self._note(buried.key, buried.tombstone, buried.revision)

    def _note(self, key: str, known: Known, revision: int) -> None:
        sighting = self._unfinished.get(key)
        if sighting is not None and revision < sighting.revision:
            return
        if not isinstance(known, JobDocument) or known.status.phase.is_final:
            self._unfinished.pop(key, None)
        elif sighting is None or revision > sighting.revision:
            self._unfinished[key] = Sighting(known, revision, self._clock())
        for written in self._waiting.get(key, ()):
            written.set()
        for listener in self._listeners:
            listener(key, known)
