"""Brings back what the bucket of servings has lost.

A serving that is missing from its bucket was deleted only if there is a tombstone. Otherwise the bucket was lost,
recreated, or replaced by an older one, and the serving is restored from the copy that the deployer keeps.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from klever_deployer.domain.intents import Known
from klever_deployer.domain.restoring import Loss, in_present_stream, is_announced, restored
from klever_deployer.domain.versions import ServingName
from klever_deployer.ports import ServingCopy
from kleverkit.documents import Buried, Incarnation, Stored, Unreadable, write
from kleverkit.errors import ConflictError, TransientError
from kleverkit.incarnations import Verdict
from kleverkit.notices import Notices
from kleverproto.documents import Tombstone
from kleverproto.servings import ServingDocument
from kleverproto.streams import SERVINGS_BUCKET

from .records import Present, Records, key_of, name_of_key

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0


class Remembered(Protocol):
    """A bucket or stream, and what is remembered of it; see `kleverkit.incarnations`."""

    async def look(self) -> Verdict:
        """Compare it with what is remembered. Raises TransientError."""
        ...

    async def accept(self) -> None:
        """Remember it as it was at the last look. Raises TransientError, OSError."""
        ...


@dataclass(frozen=True)
class Servings:
    """Everything in the bucket at one moment, with what was restored."""

    documents: tuple[ServingDocument, ...]
    buried: tuple[Buried[ServingDocument], ...]


class Restorer:
    """Compares bucket and stream with what is remembered of them, and restores.

    Args:
        records: documents, and their copies.
        bucket: what is remembered of the bucket of servings.
        stream: what is remembered of the stream of requests.
        incarnation: which stream of requests there is now.
    """

    def __init__(
        self,
        records: Records,
        bucket: Remembered,
        stream: Remembered,
        incarnation: Callable[[], Awaitable[Incarnation]],
    ) -> None:
        self._records = records
        self._bucket = bucket
        self._stream = stream
        self._incarnation = incarnation
        self._lock = asyncio.Lock()
        self._is_complete = False
        self._problem: str | None = "the servings were not read yet"
        self._unremembered: str | None = None
        self._unreadable: tuple[str, ...] = ()
        self._notices: Notices[ServingName] = Notices()
        self.restored = 0
        """How many servings were restored."""

    async def run(self) -> None:
        """Repeats until cancelled."""
        while True:
            try:
                await self.check(remember=True)
            except TransientError as error:
                log.warning("bucket of servings not read, retrying", error=str(error))
            await asyncio.sleep(LOOK_SECONDS)

    async def check(self, *, remember: bool = False) -> None:
        """Returns once nothing is missing. Every request waits for this, so that none is treated as late or as new.

        Args:
            remember: also write down how far bucket and stream are, by which an older one is recognised.

        Raises:
            TransientError: bucket or stream cannot be reached.
        """
        async with self._lock:
            loss = await self._look()
            if not self._is_complete or not loss.is_none:
                await self._restore(loss)
            elif remember:
                await self._accept()
            self._problem = None

    async def servings(self) -> Servings:
        """Everything that there is, once nothing is missing. Raises TransientError."""
        async with self._lock:
            servings = await self._restore(await self._look())
            self._problem = None
        return servings

    async def changed(self) -> set[ServingName]:
        """Wait until servings were restored; these."""
        return await self._notices.take()

    async def problem(self) -> str | None:
        """A readiness check."""
        return self._problem or self._unremembered or self._of_unreadable()

    def _of_unreadable(self) -> str | None:
        if not self._unreadable:
            return None
        return (
            f"{', '.join(self._unreadable)} cannot be read, and there is no copy: what runs of it is left alone; "
            f"delete it with `nats kv del {SERVINGS_BUCKET.name} <key>` and deploy again"
        )

    async def _look(self) -> Loss:
        """Raises TransientError."""
        await self._records.copies.read()
        try:
            bucket, stream = await self._bucket.look(), await self._stream.look()
            last = 0 if stream is Verdict.SAME else (await self._incarnation()).last_sequence
        except TransientError as error:
            self._problem = f"whether all servings are there cannot be seen: {error}"
            raise
        return Loss(bucket, stream, last)

    async def _restore(self, loss: Loss) -> Servings:
        self._is_complete = False
        copies = self._records.copies.all()  # first: what is recorded from here on is missing from neither
        listed = await self._listed(copies)
        lost = [
            serving for serving, copy in copies.items() if isinstance(copy, ServingDocument) and serving not in listed
        ]
        if lost or not loss.is_none:
            self._problem = f"restoring servings: {len(lost)} are missing (bucket {loss.bucket}, stream {loss.stream})"
            log.error("restoring servings", missing=len(lost), bucket=loss.bucket, stream=loss.stream)
        for serving in sorted({*listed, *copies}):
            present = await self._restored(serving, listed.get(serving), copies.get(serving), loss)
            if present is not None:
                listed[serving] = present
        await self._accept()
        self._is_complete = True
        return Servings(
            tuple(each.document for each in listed.values() if isinstance(each, Stored)),
            tuple(each for each in listed.values() if isinstance(each, Buried)),
        )

    async def _listed(
        self, copies: dict[ServingName, ServingCopy]
    ) -> dict[ServingName, Stored[ServingDocument] | Buried[ServingDocument]]:
        """Everything that can be read; an entry that cannot is replaced by its copy, or left alone with an alarm."""
        listing = await self._records.documents.listing()
        listed: dict[ServingName, Stored[ServingDocument] | Buried[ServingDocument]] = {}
        listed.update({name_of_key(each.key): each for each in listing.buried})
        listed.update({name_of_key(each.key): each for each in listing.documents})
        unreadable = []
        for each in listing.unreadable:
            replaced = await self._replaced(each, copies)
            if replaced is None:
                log.error("a serving cannot be read, and there is no copy of it", key=each.key, error=each.why)
                unreadable.append(each.key)
            else:
                listed[name_of_key(each.key)] = replaced
        self._unreadable = tuple(unreadable)
        return listed

    async def _replaced(
        self, entry: Unreadable, copies: dict[ServingName, ServingCopy]
    ) -> Stored[ServingDocument] | Buried[ServingDocument] | None:
        """The copy of an entry that cannot be read, in its place; None where there is no copy."""
        by_key = {key_of(serving): copy for serving, copy in copies.items()}
        copy = by_key.get(entry.key)
        if copy is None:
            return None
        try:
            replaced = await write(self._records.documents, entry.key, copy, entry.revision)
        except ConflictError as error:
            raise TransientError(f"{entry.key} was written while it was restored: reading it again") from error
        log.warning("a serving that could not be read is restored", key=entry.key, error=entry.why)
        self.restored += 1
        self._notices.add(name_of_key(entry.key))
        return replaced

    async def _restored(self, serving: ServingName, present: Present, copy: Known, loss: Loss) -> Present:
        """What the bucket holds then. A serving is read again only where the listing is not what is known of it."""
        content = present.document if isinstance(present, Stored) else present.tombstone if present else None
        is_forgotten = present is None and is_announced(copy)
        if loss.is_none and (content == copy or is_forgotten):
            return present

        def decide(now: Known) -> Known:
            wanted = restored(now, copy, loss)
            if now is None and isinstance(wanted, ServingDocument):
                log.warning("a serving is restored", serving=str(serving))
                self.restored += 1
            return wanted

        stored = await self._records.change(serving, decide)
        if stored is not None:
            self._notices.add(serving)
        elif isinstance(copy, Tombstone):
            await self._records.copies.keep(serving, in_present_stream(copy, loss))
        return stored

    async def _accept(self) -> None:
        """What cannot be written down is remembered in memory until it can."""
        try:
            await self._bucket.accept()
            await self._stream.accept()
        except OSError as error:
            self._unremembered = f"the deployer's home cannot be written: {error}"
        else:
            self._unremembered = None
