"""Announces changes of tags in the catalogue and in the event stream."""

import structlog
from opentelemetry import trace

from klever_registry.domain import catalogue
from klever_registry.domain.manifests import Manifest
from klever_registry.domain.names import names_referrers
from klever_registry.ports import ManifestSource, SignatureStore
from kleverkit.documents import Stored
from kleverkit.errors import PermanentError, TransientError
from kleverproto.documents import Tombstone
from kleverproto.models import ModelDocument, ModelPushed, ModelSpec
from kleverproto.references import ModelRef
from kleverproto.streams import MODELS

from .pending_tags import Observed, PendingTags
from .recognizer import Recognizer
from .records import Records

log = structlog.get_logger(__name__)
tracer = trace.get_tracer(__name__)

EARLY_READS = 5
"""Number of reads of a tag, over about three seconds, until it names the digest in an external notification."""


class Announcer:
    """Updates the catalogue from the tags of one registry, and publishes the changes.

    A document is withdrawn only if the registry itself reports that the tag was deleted, or that it names no model.

    The order is: write the document, publish the event, mark the document as announced. After a crash in between, these
    steps are repeated: the event's id derives from the document, so that the stream drops a duplicate.

    Args:
        manifests: the manifests of the registry.
        records: the catalogue and its events.
        signatures: the signatures that are stored with the registry's models.
        address: host:port of the registry.
        owns_names: True for the embedded registry: its tags take precedence over equal names in other registries, and
            its changes arrive once and in order. Otherwise versions of other registries are not changed.
    """

    def __init__(
        self,
        *,
        manifests: ManifestSource,
        records: Records,
        signatures: SignatureStore,
        address: str,
        owns_names: bool = True,
    ) -> None:
        self._manifests = manifests
        self._recognizer = Recognizer(manifests, address)
        self._records = records
        self._signatures = signatures
        self._address = address
        self._owns_names = owns_names
        self.pending = PendingTags()

    def tagged(self, repository: str, tag: str, digest: str) -> None:
        """Announce a pushed tag. See `Observer`."""
        self._observe(repository, tag, digest)

    def untagged(self, repository: str, tag: str) -> None:
        """Announce a deleted tag. See `Observer`."""
        self._observe(repository, tag, None)

    async def run(self) -> None:
        """Announce changes forever. A change that fails does not block others."""
        while True:
            observed = await self.pending.take()
            try:
                with tracer.start_as_current_span("announce tag", observed.trace, attributes=_attributes(observed)):
                    await self._announce(observed)
            except TransientError as error:
                pause = self.pending.failed(observed, str(error))
                log.warning("announcement will be tried again", ref=str(observed.ref), error=str(error), pause=pause)
            except PermanentError as error:
                if self.pending.park(observed, str(error)):
                    log.warning("not announced", ref=str(observed.ref), registry=self._address, error=str(error))
            except Exception as error:
                if self.pending.park(observed, f"{type(error).__name__}: {error}"):
                    log.exception("not announced", ref=str(observed.ref), registry=self._address)
            except BaseException:
                self.pending.failed(observed, "interrupted")
                raise
            else:
                self.pending.done(observed)

    def _observe(self, repository: str, tag: str, digest: str | None) -> None:
        ref = model_ref(repository, tag)
        if ref is not None:
            self.pending.add(Observed(ref, digest))

    async def _announce(self, observed: Observed) -> None:
        manifest = await self._resolve(observed)
        if manifest is None:
            if self.pending.is_superseded(observed):
                return  # a later change of the tag will be announced
            manifest = await self._manifests.get(observed.ref.repository, observed.ref.version)
        spec = await self._recognizer.spec(observed.ref, manifest) if manifest else None
        if manifest is not None and spec is not None:
            await self._catalogue(spec, manifest, from_scratch=observed.from_scratch)
        elif manifest is not None or await self._manifests.is_deleted(observed.ref.repository, observed.ref.version):
            await self._withdraw(observed.ref)
        await self._recheck(observed, manifest)

    async def _recheck(self, observed: Observed, manifest: Manifest | None) -> None:
        """Announce the tag again if another replica has changed it meanwhile."""
        if not self._owns_names or self.pending.is_superseded(observed):
            return
        now = await self._manifests.get(observed.ref.repository, observed.ref.version)
        if (now and now.digest) != (manifest and manifest.digest):
            self.pending.add(Observed(observed.ref, None))

    async def _resolve(self, observed: Observed) -> Manifest | None:
        """Return the pushed manifest; None if the tag must be resolved.

        Notifications of external registries are late, repeated, out of order, or precede the change of the tag. If the
        tag names another digest, it is read a few more times, and its digest is then accepted.
        """
        if observed.digest is None:
            return None
        if self._owns_names:
            return await self._manifests.get(observed.ref.repository, observed.digest)
        manifest = await self._manifests.get(observed.ref.repository, observed.ref.version)
        is_early = manifest is None or manifest.digest != observed.digest
        if is_early and self.pending.failures(observed) < EARLY_READS and not self.pending.is_superseded(observed):
            raise TransientError(f"the tag does not name {observed.digest} yet")
        return manifest

    async def _catalogue(self, spec: ModelSpec, manifest: Manifest, *, from_scratch: bool) -> None:
        known = await self._signatures.find(spec.ref.repository, manifest.digest)
        now = self._records.clock()

        def decide(known_version: ModelDocument | Tombstone[ModelDocument] | None) -> ModelDocument | None:
            present = None if isinstance(known_version, Tombstone) else known_version
            before = None if from_scratch else present
            return catalogue.pushed(before, spec, now=now, known=known) if self._may_set(present) else None

        stored = await self._records.change(spec.ref.key, decide)
        if not isinstance(stored, Stored) or not self._may_set(stored.document):
            log.warning("not announced: the version is in another registry", ref=str(spec.ref), registry=self._address)
        elif catalogue.needs_announcing(stored.document):
            await self._publish(stored)

    def _may_set(self, present: ModelDocument | None) -> bool:
        return self._owns_names or present is None or present.spec.registry == self._address

    async def _publish(self, stored: Stored[ModelDocument]) -> None:
        document = stored.document
        spec = document.spec
        pushed = ModelPushed(
            ref=spec.ref, digest=spec.digest, registry=spec.registry, format=spec.metadata.format, size=spec.size
        )
        position, pushed_at = document.status.announced_sequence, document.status.history[-1].pushed_at
        if pushed_at > self._records.clock() - MODELS.max_age:  # else the stream would have dropped it by now
            position = await self._records.publish(self._records.event(pushed, document), pushed_at, position)
            log.info("model pushed", ref=str(spec.ref), digest=spec.digest, generation=document.generation)
        await self._records.change(stored.key, lambda known: catalogue.announced(known, document.generation, position))

    async def _withdraw(self, ref: ModelRef) -> None:
        stored = await self._records.get(ref.key)
        if stored is not None and stored.document.spec.registry == self._address:
            await self._records.withdraw(stored)


def model_ref(repository: str, tag: str) -> ModelRef | None:
    """Return the model version of a tag; None for tags of referrers, and for names that are too long."""
    if names_referrers(tag):
        return None
    try:
        return ModelRef.from_repository(repository, tag)
    except ValueError:
        log.warning("not announced: the name is too long for a model", repository=repository, tag=tag)
        return None


def _attributes(observed: Observed) -> dict[str, str]:
    return {"klever.model": str(observed.ref), "oci.digest": observed.digest or ""}
