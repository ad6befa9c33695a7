"""Registries of others: what they announce, and what a look at all of their tags finds.

Notifications are lost, repeated and late. They also come early: CNCF distribution 2.8 announces a push before the tag
names the manifest. So they only say which tag to look at.
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
from .hidden import unhidden
from .records import Records

log = structlog.get_logger(__name__)


class ExternalRegistry(ManifestSource, Tags, Protocol):
    """All that is asked of another registry."""


class Notifications:
    """Brings what external registries announce to the announcer of each.

    Args:
        announcers: by host; what others announce is passed over.
        documents: the catalogue.
    """

    def __init__(self, announcers: Mapping[str, Announcer], documents: Documents[ModelDocument]) -> None:
        self._announcers = announcers
        self._documents = documents

    async def take(self, notices: Iterable[Notice]) -> None:
        """Have every tag looked at that the notices are about. Raises TransientError."""
        for notice in notices:
            announcer = self._announcers.get(notice.host)
            if announcer is None:
                log.warning("notification passed over: add the host to external_registries", host=notice.host)
                continue
            if isinstance(notice, Pushed):
                announcer.tagged(notice.repository, notice.tag, notice.digest)
            else:
                for tag in await self._tags(notice):
                    announcer.untagged(notice.repository, tag)

    async def _tags(self, notice: Deleted) -> list[str]:
        """A manifest that was deleted took every tag along that the catalogue knows of it."""
        if notice.tag is not None:
            return [notice.tag]
        specs = [stored.document.spec for stored in (await self._documents.listing()).documents]
        return [spec.ref.version for spec in specs if _is_about(notice, spec.registry, spec.ref, spec.digest)]


class Scanner:
    """Compares one external registry with the catalogue: finds what lost notifications left out, and what is gone.

    What the registry no longer lists is asked for tag by tag. Where it denies most of its models and knows their
    repositories no more, it has rather lost its storage, or we our rights: they stay, and an alarm is raised.
    """

    def __init__(
        self, host: str, registry: ExternalRegistry, announcer: Announcer, records: Records, alarms: Alarms
    ) -> None:
        self._host = host
        self._registry = registry
        self._announcer = announcer
        self._records = records
        self._alarms = alarms
        self._wanted = asyncio.Event()
        self._is_loss_accepted = False

    async def run(self, pause_seconds: float) -> None:
        """Compare at once, and again after each pause, or sooner where that is wanted."""
        while True:
            self._wanted.clear()
            try:
                await self.scan()
            except (PermanentError, TransientError) as error:
                log.warning("external registry not compared", registry=self._host, error=str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_seconds):
                    await self._wanted.wait()

    def scan_soon(self, *, accept_loss: bool = False) -> None:
        """Have the registry compared now; perhaps believing whatever it denies."""
        self._is_loss_accepted = self._is_loss_accepted or accept_loss
        self._wanted.set()

    async def scan(self) -> None:
        """Compare once; a registry that cannot be listed to its end changes nothing."""
        is_loss_accepted, self._is_loss_accepted = self._is_loss_accepted, False
        tags = {ref: digest async for ref, digest in self._listed()}
        stored = await self._records.documents.listing()
        documents = [each.document for each in stored.documents]
        compared = catalogue.compare_elsewhere(unhidden(tags, stored), documents, self._host)
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
        f"{host} knows {len(lost)} of its models no more, nor their repositories, and nobody announced their deletion: "
        "has it lost its storage, or do the credentials expire? They stay in the catalogue; give them up with "
        "`klever registry rebuild`"
    )
