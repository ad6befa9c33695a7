"""From a changed tag to the catalogue and to the event stream."""

import structlog

from klever_registry.domain import catalogue
from klever_registry.domain.manifests import Manifest
from klever_registry.domain.names import names_referrers
from klever_registry.ports import ManifestSource, SignatureStore
from kleverkit.documents import Stored, mutate
from kleverkit.errors import PermanentError, TransientError
from kleverproto.documents import Tombstone
from kleverproto.models import ModelDocument, ModelPushed, ModelSpec
from kleverproto.references import ModelRef

from .pending import Observed, PendingTags
from .recognizing import Recognizer
from .records import Records

log = structlog.get_logger(__name__)

EARLY_LOOKS = 5
"""How often a tag is looked at, over some three seconds, until it names what another registry says was pushed."""


class Announcer:
    """Makes the catalogue say what the registry has, and announces it.

    A document is withdrawn only where the registry itself says that the tag was deleted, or that it names no model.

    Order of work: document, event, note that the event is out. A crash between two of these is repaired by doing
    the same again: the event's id derives from the document, so the stream drops the second one.

    Args:
        manifests: what the registry has.
        records: the catalogue, and where events go.
        signatures: those that lie beside the registry's models.
        address: host:port of the registry.
        owns_names: whether its tags win over those of the same name in other registries, and its news comes once and
            in order; without, a version that another registry holds is left alone.
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
        self._documents = records.documents
        self._records = records
        self._signatures = signatures
        self._address = address
        self._owns_names = owns_names
        self.pending = PendingTags()

    def tagged(self, repository: str, tag: str, digest: str) -> None:
        """A tag was pushed; see `Observer`."""
        self._observe(repository, tag, digest)

    def untagged(self, repository: str, tag: str) -> None:
        """A tag is gone; see `Observer`."""
        self._observe(repository, tag, None)

    async def run(self) -> None:
        """Announce changes until cancelled; one that fails does not block others."""
        while True:
            observed = await self.pending.take()
            try:
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
        manifest = await self._named(observed)
        if manifest is None:
            if self.pending.is_superseded(observed):
                return  # the tag changed again, and that change is announced
            manifest = await self._manifests.get(observed.ref.repository, observed.ref.version)
        spec = await self._recognizer.spec(observed.ref, manifest) if manifest else None
        if manifest is not None and spec is not None:
            await self._catalogue(spec, manifest, from_scratch=observed.from_scratch)
        elif manifest is not None or await self._manifests.is_deleted(observed.ref.repository, observed.ref.version):
            await self._withdraw(observed.ref)
        await self._look_again(observed, manifest)

    async def _look_again(self, observed: Observed, manifest: Manifest | None) -> None:
        """Another replica may have pushed or deleted the tag meanwhile: what it names now is announced last."""
        if not self._owns_names or self.pending.is_superseded(observed):
            return
        now = await self._manifests.get(observed.ref.repository, observed.ref.version)
        if (now and now.digest) != (manifest and manifest.digest):
            self.pending.add(Observed(observed.ref, None))

    async def _named(self, observed: Observed) -> Manifest | None:
        """The manifest that was pushed; None where what the tag names now must be seen.

        Other registries announce late, twice and in any order, and some before the tag names the manifest: there a
        tag that names something else is looked at a few times more, and then it is right.
        """
        if observed.digest is None:
            return None
        if self._owns_names:
            return await self._manifests.get(observed.ref.repository, observed.digest)
        manifest = await self._manifests.get(observed.ref.repository, observed.ref.version)
        is_early = manifest is None or manifest.digest != observed.digest
        if is_early and self.pending.failures(observed) < EARLY_LOOKS and not self.pending.is_superseded(observed):
            raise TransientError(f"the tag does not name {observed.digest} yet")
        return manifest

    async def _catalogue(self, spec: ModelSpec, manifest: Manifest, *, from_scratch: bool) -> None:
        known = await self._signatures.find(spec.ref.repository, manifest.digest)
        now = self._records.clock()

        def decide(known_version: ModelDocument | Tombstone[ModelDocument] | None) -> ModelDocument | None:
            present = None if isinstance(known_version, Tombstone) else known_version
            before = None if from_scratch else present
            return catalogue.pushed(before, spec, now=now, known=known) if self._may_set(present) else None

        stored = await self._records.deletions.change(spec.ref.key, decide)
        if not isinstance(stored, Stored) or not self._may_set(stored.document):
            log.warning("not announced: another registry holds this version", ref=str(spec.ref), registry=self._address)
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
        await self._records.publisher.publish(self._records.event(pushed, document))
        await mutate(self._documents, stored.key, lambda present: catalogue.announced(present, document.generation))
        log.info("model pushed", ref=str(spec.ref), digest=spec.digest, generation=document.generation)

    async def _withdraw(self, ref: ModelRef) -> None:
        stored = await self._documents.get(ref.key)
        if stored is not None and stored.document.spec.registry == self._address:
            await self._records.withdraw(stored)


def model_ref(repository: str, tag: str) -> ModelRef | None:
    """The model version that a tag names; None for tags of referrers, and where the name is too long for one."""
    if names_referrers(tag):
        return None
    try:
        return ModelRef.from_repository(repository, tag)
    except ValueError:
        log.warning("not announced: the name is too long for a model", repository=repository, tag=tag)
        return None
