"""External registries: their notifications, and periodic scans of all tags.

Notifications may be lost, repeated or late. They may also be early: CNCF distribution 2.8 announces a push before the
tag names the manifest. Therefore a notification only selects the tag to read.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

import structlog

from klever_registry.domain import catalogue
from klever_registry.domain.notifications import Deleted, Notice, Pushed
from klever_registry.ports import ManifestSource, Tags
from kleverkit.documents import Documents
from kleverkit.errors import PermanentError, TransientError
from kleverproto.models import ModelDocument
from kleverproto.references import ModelRef

from .alarms import Alarms
from .announcing import Announcer, model_ref
from .hidden import readable_only
from .records import Records

log = structlog.get_logger(__name__)


class ExternalRegistry(ManifestSource, Tags, Protocol):
    """The manifests and tags of an external registry."""


class Notifications:
    """Dispatches notifications to the announcers of their registries.

    Args:
        announcers: announcers by host. Notifications of other hosts are ignored.
        documents: the catalogue.
    """

    def __init__(self, announcers: Mapping[str, Announcer], documents: Documents[ModelDocument]) -> None:
        self._announcers = announcers
        self._documents = documents

    async def dispatch(self, notices: Iterable[Notice]) -> None:
        """Queue every tag in the notices. Raises TransientError."""
        for notice in notices:
            announcer = self._announcers.get(notice.host)
            if announcer is None:
                log.warning("notification ignored: the host is not in external_registries", host=notice.host)
                continue
            if isinstance(notice, Pushed):
                announcer.tagged(notice.repository, notice.tag, notice.digest)
            else:
                for tag in await self._tags(notice):
                    announcer.untagged(notice.repository, tag)

    async def _tags(self, notice: Deleted) -> list[str]:
        """Return the deleted tags: for a deleted manifest, all its tags in the catalogue."""
        if notice.tag is not None:
            return [notice.tag]
        specs = [stored.document.spec for stored in (await self._documents.listing()).documents]
        return [spec.ref.version for spec in specs if _is_about(notice, spec.registry, spec.ref, spec.digest)]


class Scanner:
    """Compares one external registry with the catalogue, and so finds changes whose notifications were lost.

    It requests each tag that the registry does not list any more. If most models and their repositories do not exist
    any more, the registry has probably lost its storage, or the platform its access: then these models stay in the
    catalogue, and an alarm is raised.
    """

    def __init__(
        self, host: str, registry: ExternalRegistry, announcer: Announcer, records: Records, alarms: Alarms
    ) -> None:
        self._host = host
        self._registry = registry
        self._announcer = announcer
        self._records = records
        self._alarms = alarms
        self._scan_requested = asyncio.Event()
        self._is_loss_accepted = False

    async def run(self, pause_seconds: float) -> None:
        """Compare immediately, and again after each pause or call of `scan_soon`."""
        while True:
            self._scan_requested.clear()
            try:
                await self.scan()
            except (PermanentError, TransientError) as error:
                log.warning("external registry not compared", registry=self._host, error=str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_seconds):
                    await self._scan_requested.wait()

    def scan_soon(self, *, accept_loss: bool = False) -> None:
        """Start a comparison now. With `accept_loss`, missing models are withdrawn even if most of them are missing."""
        self._is_loss_accepted = self._is_loss_accepted or accept_loss
        self._scan_requested.set()

    async def scan(self) -> None:
        """Compare once. An incomplete listing changes nothing."""
        is_loss_accepted, self._is_loss_accepted = self._is_loss_accepted, False
        tags = {ref: digest async for ref, digest in self._listed()}
        stored = await self._records.documents.listing()
        documents = [each.document for each in stored.documents]
        compared = catalogue.compare_elsewhere(readable_only(tags, stored), documents, self._host)
        denied = {ref for ref in compared.lost if await self._registry.is_deleted(ref.repository, ref.version)}
        lost = {ref for ref in denied if not await self._registry.has(ref.repository)}
        is_grave = replace(compared, lost=frozenset(lost)).is_grave and not is_loss_accepted
        self._alarms.set(f"external_models_lost:{self._host}", _grave(self._host, lost) if is_grave else None)
        self._alarms.set(f"announcements_stuck:{self._host}", self._announcer.pending.problem())
        for ref in sorted(compared.differing | (denied - lost if is_grave else denied), key=str):
            self._announcer.pending.add_unless_waiting(ref)

    async def _listed(self) -> AsyncIterator[tuple[ModelRef, str]]:
        named_in_full = [name for name in await self._registry.repositories() if "/" in name]  # project/model
        for repository in named_in_full:
            for tag, digest in (await self._registry.tags(repository)).items():
                ref = model_ref(repository, tag)
                if ref is not None:
                    yield ref, digest


def _is_about(notice: Deleted, registry: str, ref: ModelRef, digest: str) -> bool:
    return (registry, digest) == (notice.host, notice.digest) and ref.repository == notice.repository


def _grave(host: str, lost: set[ModelRef]) -> str:
    return (
        f"{len(lost)} models of {host} and their repositories do not exist any more, without notifications of their "
        "deletion: check the storage of that registry, and the credentials for it. The models stay in the catalogue; "
        "remove them with `klever registry rebuild` if they are lost"
    )
