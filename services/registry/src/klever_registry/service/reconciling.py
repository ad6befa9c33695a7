"""Compares the registry with the catalogue: what the registry has, or says that it deleted, wins."""

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
from .hidden import unhidden
from .pending import Observed, PendingTags
from .records import Records
from .restoring import Restorer

log = structlog.get_logger(__name__)

LOST, UNREADABLE, STUCK = "models_lost", "repositories_unreadable", "announcements_stuck"
HIDDEN = "documents_unreadable"
NAMED = 5
"""Versions that an alarm names."""


@dataclass
class Listing:
    """What the registry has."""

    tags: dict[ModelRef, str] = field(default_factory=dict)
    """Every tag with its digest."""
    deleted: set[ModelRef] = field(default_factory=set)
    """The tags that were deleted."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Repositories that cannot be read now, with the reason."""


class Reconciler:
    """Finds what a crash left half done, and what the registry or the catalogue has lost.

    Nothing is withdrawn because it is missing: the index of its repository must say that its tag was deleted. So a
    data directory that was emptied, not mounted or restored from an old backup takes no model out of the catalogue.
    """

    def __init__(  # noqa: PLR0913 - what it works with
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
        """Compare at once, and again after each pause."""
        while True:
            try:
                await self.reconcile()
            except TransientError as error:
                log.warning("registry and catalogue not compared", error=str(error))
            await asyncio.sleep(pause_seconds)

    async def reconcile(self) -> None:
        """Compare once, after what NATS has lost was brought back. Raises TransientError."""
        await self._restorer.restore()
        stored = await self._records.documents.listing()
        documents = [each.document for each in stored.documents]
        listing = await self._listing()  # after the documents: a push between the two is no loss
        readable = [document for document in documents if document.spec.ref.repository not in listing.unreadable]
        compared = catalogue.compare(unhidden(listing.tags, stored), listing.deleted, readable, self._address)
        for ref in sorted(compared.differing, key=str):
            self._pending.add_unless_waiting(ref)
        self._raise_alarms(listing, compared)
        self._alarms.set(HIDDEN, hidden_problem(stored, MODELS_BUCKET))
        await self._records.tidy()

    async def rebuild(self) -> int:
        """Rebuild the catalogue of this registry from what the registry holds; return the number of tags.

        Metadata come from manifests and configs, signatures from the referrers beside the models. Every version is
        announced once more. What the registry has lost is given up: withdrawn, as if it had been deleted. So is what
        external registries deny when they are compared next.

        Raises:
            NotLeaderError: another replica compares registry and catalogue.
            StorageError: a repository cannot be read; nothing was changed.
            TransientError: NATS does not answer.
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
        """A readiness check: the registry has not lost most of its models."""
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
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return (
        f"{len(named)} of {compared.known} models of {address} are not in its data directory though nobody deleted "
        f"them: {', '.join(named[:NAMED])}{more}. Restore the directory from a backup, push the models again, or give "
        "them up with `klever registry rebuild`"
    )
