"""Compares the registry with the catalogue. The tags and the recorded deletions of the registry are authoritative."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from klever_registry.domain import catalogue
from klever_registry.domain.catalogue import Comparison
from klever_registry.errors import StorageError
from klever_registry.ports import ManifestStore
from kleverkit.errors import TransientError
from kleverproto.references import ModelRef
from kleverproto.streams import MODELS_BUCKET

from .alarms import Alarms
from .announcing import model_ref
from .hidden import problem as hidden_problem
from .hidden import readable_only
from .pending import Observed, PendingTags
from .records import Records
from .restoring import Restorer

log = structlog.get_logger(__name__)

LOST, UNREADABLE, STUCK = "models_lost", "repositories_unreadable", "announcements_stuck"
HIDDEN = "documents_unreadable"
MAX_NAMED = 5
"""Maximum number of versions in an alarm."""


@dataclass
class Listing:
    """The content of the registry."""

    tags: dict[ModelRef, str] = field(default_factory=dict)
    """Digests of all tags."""
    deleted: set[ModelRef] = field(default_factory=set)
    """Deleted tags."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Reasons by unreadable repository."""


class Reconciler:
    """Finds changes that a crash interrupted, and versions that the registry or the catalogue has lost.

    A version is withdrawn only if the index of its repository records the deletion of its tag. A data directory that is
    empty, not mounted or restored from an old backup therefore removes no model from the catalogue.
    """

    def __init__(  # noqa: PLR0913 - its dependencies
        self,
        *,
        manifests: ManifestStore,
        records: Records,
        pending: PendingTags,
        alarms: Alarms,
        address: str,
        restorer: Restorer,
        require_lease: Callable[[], Awaitable[None]],
    ) -> None:
        self._require_lease = require_lease
        self._manifests = manifests
        self._records = records
        self._pending = pending
        self._alarms = alarms
        self._address = address
        self._restorer = restorer
        self._is_grave = False

    async def run(self, pause_seconds: float) -> None:
        """Compare immediately, and again after each pause."""
        while True:
            try:
                await self.reconcile()
            except TransientError as error:
                log.warning("registry and catalogue not compared", error=str(error))
            await asyncio.sleep(pause_seconds)

    async def reconcile(self) -> None:
        """Restore documents that NATS has lost, then compare once. Raises TransientError."""
        await self._restorer.restore()
        stored = await self._records.documents.listing()
        documents = [each.document for each in stored.documents]
        listing = await self._listing()  # after the documents, so that a push in between does not look like a loss
        readable = [document for document in documents if document.spec.ref.repository not in listing.unreadable]
        compared = catalogue.compare(readable_only(listing.tags, stored), listing.deleted, readable, self._address)
        for ref in sorted(compared.differing, key=str):
            self._pending.add_unless_waiting(ref)
        self._raise_alarms(listing, compared)
        self._alarms.set(HIDDEN, hidden_problem(stored, MODELS_BUCKET))
        await self._records.tidy()

    async def rebuild(self) -> int:
        """Rebuild the catalogue from the content of the registry. Returns the number of tags.

        Metadata are read from manifests and configs, signatures from the referrers of the models. Every version is
        announced again. Versions that the registry has lost are withdrawn, as if they were deleted. The next comparison
        withdraws those that external registries have lost.

        Raises:
            NotLeaderError: another replica compares registry and catalogue.
            StorageError: a repository cannot be read. Nothing is changed.
            TransientError: NATS does not respond.
        """
        await self._require_lease()
        known = (await self._records.documents.listing()).documents
        listing = await self._listing()
        for problem in listing.unreadable.values():
            raise StorageError(problem)
        for stored in known:
            spec = stored.document.spec
            if spec.registry == self._address and spec.ref not in listing.tags:
                await self._records.withdraw(stored)
        for ref in sorted(listing.tags, key=str):
            self._pending.add(Observed(ref, None, from_scratch=True))
        for scanner in self._restorer.scanners:
            scanner.scan_soon(accept_loss=True)
        await self.reconcile()
        return len(listing.tags)

    async def check(self) -> str | None:
        """Readiness check: return a problem while most models of the registry are lost."""
        return self._alarms.raised.get(LOST) if self._is_grave else None

    def _raise_alarms(self, listing: Listing, compared: Comparison) -> None:
        self._is_grave = compared.is_grave
        self._alarms.set(LOST, _lost(compared, self._address) if compared.lost else None)
        self._alarms.set(UNREADABLE, "; ".join(listing.unreadable.values()) or None)
        self._alarms.set(STUCK, self._pending.problem())

    async def _listing(self) -> Listing:
        listing = Listing()
        for repository in await self._manifests.repositories():
            try:
                index = await self._manifests.index(repository)
            except StorageError as error:
                listing.unreadable[repository] = str(error)
                continue
            for tag, digest in (index.tags if index else {}).items():
                if (ref := model_ref(repository, tag)) is not None:
                    listing.tags[ref] = digest
            refs = (model_ref(repository, tag) for tag in (index.deleted if index else ()))
            listing.deleted.update(ref for ref in refs if ref is not None)
        return listing


def _lost(compared: Comparison, address: str) -> str:
    named = sorted(map(str, compared.lost))
    more = f" and {len(named) - MAX_NAMED} more" if len(named) > MAX_NAMED else ""
    return (
        f"{len(named)} of {compared.known} models of {address} are missing in its data directory without having been "
        f"deleted: {', '.join(named[:MAX_NAMED])}{more}. Restore the directory from a backup, push the models again, "
        "or remove them from the catalogue with `klever registry rebuild`"
    )
