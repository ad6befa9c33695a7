"""Restores servings that their bucket has lost.

A serving that is missing from its bucket was deleted only if there is a tombstone. Otherwise the bucket was lost,
recreated, or replaced by a backup, and the serving is restored from the deployer's copy.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from klever_deployer.domain.intents import Known
from klever_deployer.domain.restoration import Loss, in_present_stream, is_announced, restored
from klever_deployer.ports import ServingCopy
from kleverkit.documents import Buried, Incarnation, Stored, Unreadable, write
from kleverkit.errors import ConflictError, TransientError
from kleverkit.incarnations import Verdict
from kleverkit.notices import Notices
from kleverproto.documents import Tombstone
from kleverproto.servings import ServingDocument
from kleverproto.streams import SERVINGS_BUCKET
from kleverroutes.versions import ServingName

from .records import Present, Records, key_of, name_of_key

log = structlog.get_logger(__name__)

CHECK_SECONDS = 1.0


class Remembered(Protocol):
    """A bucket or stream and its remembered state; see `kleverkit.incarnations`."""

    async def look(self) -> Verdict:
        """Compare it with the remembered state. Raises TransientError."""
        ...

    async def accept(self) -> None:
        """Remember the state of the last comparison. Raises TransientError, OSError."""
        ...


@dataclass(frozen=True)
class Servings:
    """All servings in the bucket, including those that were restored."""

    documents: tuple[ServingDocument, ...]
    buried: tuple[Buried[ServingDocument], ...]


class Restorer:
    """Compares bucket and stream with their remembered state, and restores lost servings.

    Args:
        records: documents and their copies.
        bucket: the bucket of servings.
        stream: the stream of requests.
        incarnation: reads the identity and the last sequence of the stream of requests.
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
        self._problem: str | None = "the servings have not been read yet"
        self._unremembered: str | None = None
        self._unreadable: tuple[str, ...] = ()
        self._notices: Notices[ServingName] = Notices()
        self.restored = 0
        """Number of servings that were restored."""

    async def run(self) -> None:
        """Checks periodically, until cancelled."""
        while True:
            try:
                await self.check(remember=True)
            except TransientError as error:
                log.warning("bucket of servings not read, retrying", error=str(error))
            await asyncio.sleep(CHECK_SECONDS)

    async def check(self, *, remember: bool = False) -> None:
        """Return once no serving is missing. Requests wait for this, so that none is treated as late or new.

        Args:
            remember: also store the positions of bucket and stream, by which an older one is recognised.

        Raises:
            TransientError: bucket or stream cannot be reached.
        """
        async with self._lock:
            loss = await self._compare()
            if not self._is_complete or not loss.is_none:
                await self._restore(loss)
            elif remember:
                await self._accept()
            self._problem = None

    async def servings(self) -> Servings:
        """All servings, once none is missing. Raises TransientError."""
        async with self._lock:
            servings = await self._restore(await self._compare())
            self._problem = None
        return servings

    async def changed(self) -> set[ServingName]:
        """Wait until servings are restored, and return them."""
        return await self._notices.take()

    async def problem(self) -> str | None:
        """Readiness check: the reason why servings may be missing, or None."""
        return self._problem or self._unremembered or self._unreadable_problem()

    def _unreadable_problem(self) -> str | None:
        if not self._unreadable:
            return None
        return (
            f"{', '.join(self._unreadable)} cannot be read, and there is no copy. Its replicas are not changed. "
            f"Delete it with `nats kv del {SERVINGS_BUCKET.name} <key>` and deploy again"
        )

    async def _compare(self) -> Loss:
        """Raises TransientError."""
        await self._records.copies.read()
        try:
            bucket, stream = await self._bucket.look(), await self._stream.look()
            last = 0 if stream is Verdict.SAME else (await self._incarnation()).last_sequence
        except TransientError as error:
            self._problem = f"the servings cannot be compared with their copies: {error}"
            raise
        return Loss(bucket, stream, last)

    async def _restore(self, loss: Loss) -> Servings:
        self._is_complete = False
        copies = self._records.copies.all()  # before the listing: servings recorded meanwhile are not lost
        listed = await self._read_listing(copies)
        lost = [
            serving for serving, copy in copies.items() if isinstance(copy, ServingDocument) and serving not in listed
        ]
        if lost or not loss.is_none:
            self._problem = f"restoring servings: {len(lost)} are missing (bucket {loss.bucket}, stream {loss.stream})"
            log.error("restoring servings", missing=len(lost), bucket=loss.bucket, stream=loss.stream)
        for serving in sorted({*listed, *copies}):
            present = await self._restore_serving(serving, listed.get(serving), copies.get(serving), loss)
            if present is not None:
                listed[serving] = present
        await self._accept()
        self._is_complete = True
        return Servings(
            tuple(each.document for each in listed.values() if isinstance(each, Stored)),
            tuple(each for each in listed.values() if isinstance(each, Buried)),
        )

    async def _read_listing(
        self, copies: dict[ServingName, ServingCopy]
    ) -> dict[ServingName, Stored[ServingDocument] | Buried[ServingDocument]]:
        """All readable entries. An unreadable one is replaced by its copy, or only reported if there is no copy."""
        listing = await self._records.documents.listing()
        listed: dict[ServingName, Stored[ServingDocument] | Buried[ServingDocument]] = {}
        listed.update({name_of_key(each.key): each for each in listing.buried})
        listed.update({name_of_key(each.key): each for each in listing.documents})
        unreadable = []
        for each in listing.unreadable:
            replaced = await self._replace_unreadable(each, copies)
            if replaced is None:
                log.error("serving not readable, and there is no copy of it", key=each.key, error=each.why)
                unreadable.append(each.key)
            else:
                listed[name_of_key(each.key)] = replaced
        self._unreadable = tuple(unreadable)
        return listed

    async def _replace_unreadable(
        self, entry: Unreadable, copies: dict[ServingName, ServingCopy]
    ) -> Stored[ServingDocument] | Buried[ServingDocument] | None:
        """Replace an unreadable entry by its copy; None if there is no copy."""
        by_key = {key_of(serving): copy for serving, copy in copies.items()}
        copy = by_key.get(entry.key)
        if copy is None:
            return None
        try:
            replaced = await write(self._records.documents, entry.key, copy, entry.revision)
        except ConflictError as error:
            raise TransientError(f"{entry.key} was changed while it was restored: it is read again") from error
        log.warning("unreadable serving restored", key=entry.key, error=entry.why)
        self.restored += 1
        self._notices.add(name_of_key(entry.key))
        return replaced

    async def _restore_serving(self, serving: ServingName, present: Present, copy: Known, loss: Loss) -> Present:
        """Restore a serving if its entry differs from the copy, and return the bucket's entry."""
        content = present.document if isinstance(present, Stored) else present.tombstone if present else None
        is_forgotten = present is None and is_announced(copy)
        if loss.is_none and (content == copy or is_forgotten):
            return present

        def decide(now: Known) -> Known:
            wanted = restored(now, copy, loss)
            if now is None and isinstance(wanted, ServingDocument):
                log.warning("restoring a serving", serving=str(serving))
                self.restored += 1
            return wanted

        stored = await self._records.change(serving, decide)
        if stored is not None:
            self._notices.add(serving)
        elif isinstance(copy, Tombstone):
            await self._records.copies.keep(serving, in_present_stream(copy, loss))
        return stored

    async def _accept(self) -> None:
        """Store the positions of bucket and stream; if the disk is full, they stay in memory."""
        try:
            await self._bucket.accept()
            await self._stream.accept()
        except OSError as error:
            self._unremembered = f"the deployer's home cannot be written: {error}"
        else:
            self._unremembered = None
