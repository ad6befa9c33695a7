"""Registries of others: what they tell, and what a look at all of their tags finds.

Notifications are lost, repeated and late. They also come early: CNCF distribution 2.8 tells of a push before the tag
names the manifest, so a pushed manifest is fetched by its digest.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping

import structlog

from klever_registry.domain import catalogue
from klever_registry.domain.notifications import Deleted, Notice, Pushed, is_referrers_tag
from klever_registry.ports import Tags
from kleverkit.documents import Documents
from kleverkit.errors import PermanentError
from kleverproto.models import ModelDocument
from kleverproto.references import ModelRef

from .announcing import Announcer, model_ref

log = structlog.get_logger(__name__)


class Notifications:
    """Brings what external registries tell to the announcer of each.

    Args:
        announcers: by host; what others tell is passed over.
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
        specs = [stored.document.spec for stored in await self._documents.all()]
        return [spec.ref.version for spec in specs if _is_about(notice, spec.registry, spec.ref, spec.digest)]


class Scanner:
    """Compares one external registry with the catalogue: finds what lost notifications left out, and what is gone."""

    def __init__(self, host: str, tags: Tags, announcer: Announcer, documents: Documents[ModelDocument]) -> None:
        self._host = host
        self._tags = tags
        self._announcer = announcer
        self._documents = documents

    async def run(self, pause_seconds: float) -> None:
        """Compare at once, and again after each pause. Raises TransientError."""
        while True:
            try:
                await self.scan()
            except PermanentError as error:
                log.warning("external registry not compared", registry=self._host, error=str(error))
            await asyncio.sleep(pause_seconds)

    async def scan(self) -> None:
        """Compare once; a registry that cannot be listed to its end changes nothing."""
        tags = {ref: digest async for ref, digest in self._listed()}
        documents = [stored.document for stored in await self._documents.all()]
        for ref in sorted(catalogue.differing_elsewhere(tags, documents, self._host), key=str):
            self._announcer.pending.add_unless_waiting(ref)

    async def _listed(self) -> AsyncIterator[tuple[ModelRef, str]]:
        named_in_full = [name for name in await self._tags.repositories() if "/" in name]  # project/model
        for repository in named_in_full:
            for tag, digest in (await self._tags.tags(repository)).items():
                ref = None if is_referrers_tag(tag) else model_ref(repository, tag)
                if ref is not None:
                    yield ref, digest


def _is_about(notice: Deleted, registry: str, ref: ModelRef, digest: str) -> bool:
    return (registry, digest) == (notice.host, notice.digest) and ref.repository == notice.repository
