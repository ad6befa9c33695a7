"""From a changed tag to the catalogue and to the event stream."""

import structlog

from klever_registry.domain import catalogue
from klever_registry.domain.manifests import Manifest
from klever_registry.ports import ManifestStore
from kleverkit.documents import Stored, mutate
from kleverkit.errors import TransientError
from kleverproto.envelope import Event, derive_id
from kleverproto.models import ModelDeleted, ModelDocument, ModelPushed, ModelSpec
from kleverproto.references import ModelRef

from .describing import describe
from .pending import Observed, PendingTags
from .records import Records
from .signatures import Signatures

log = structlog.get_logger(__name__)


class Announcer:
    """Makes the catalogue say what the registry has, and tells everyone.

    Order of work: document, event, note that the event is out. A crash between two of these is repaired by doing
    the same again: the event's id derives from the document, so the stream drops the second one.
    """

    def __init__(self, *, manifests: ManifestStore, records: Records, signatures: Signatures, address: str) -> None:
        self._manifests = manifests
        self._documents = records.documents
        self._records = records
        self._signatures = signatures
        self._address = address
        self.pending = PendingTags()

    def tagged(self, repository: str, tag: str, digest: str) -> None:
        """A tag was pushed; see `Observer`."""
        self._observe(repository, tag, digest)

    def untagged(self, repository: str, tag: str) -> None:
        """A tag is gone; see `Observer`."""
        self._observe(repository, tag, None)

    async def run(self) -> None:
        """Work off changes for ever; those that cannot be told now are tried again."""
        while True:
            observed = await self.pending.take()
            try:
                await self._announce(observed)
            except TransientError as error:
                pause = self.pending.failed(observed)
                log.warning("announcement will be tried again", ref=str(observed.ref), error=str(error), pause=pause)
            except BaseException:
                self.pending.failed(observed)
                raise
            else:
                self.pending.done(observed)

    def _observe(self, repository: str, tag: str, digest: str | None) -> None:
        ref = model_ref(repository, tag)
        if ref is not None:
            self.pending.add(Observed(ref, digest))

    async def _announce(self, observed: Observed) -> None:
        reference = observed.digest or observed.ref.version
        manifest = await self._manifests.get(observed.ref.repository, reference)
        if manifest is None or observed.digest is None:
            if self.pending.is_superseded(observed):
                return  # the tag changed once more, and that change tells the whole story
            manifest = await self._manifests.get(observed.ref.repository, observed.ref.version)
        spec = describe(observed.ref, manifest, registry=self._address) if manifest else None
        if manifest is None or spec is None:
            await self._withdraw(observed.ref)
        else:
            await self._catalogue(spec, manifest)

    async def _catalogue(self, spec: ModelSpec, manifest: Manifest) -> None:
        known = await self._signatures.find(spec.ref.repository, manifest.digest)
        now = self._records.clock()
        stored = await mutate(
            self._documents, spec.ref.key, lambda present: catalogue.pushed(present, spec, now=now, known=known)
        )
        if stored is not None and catalogue.needs_announcing(stored.document):
            await self._publish(stored)

    async def _publish(self, stored: Stored[ModelDocument]) -> None:
        document = stored.document
        spec = document.spec
        pushed = ModelPushed(
            ref=spec.ref, digest=spec.digest, registry=spec.registry, format=spec.metadata.format, size=spec.size
        )
        await self._records.publisher.publish(self._event(pushed, document))
        await mutate(self._documents, stored.key, lambda present: catalogue.announced(present, document.generation))
        log.info("model pushed", ref=str(spec.ref), digest=spec.digest, generation=document.generation)

    async def _withdraw(self, ref: ModelRef) -> None:
        stored = await self._documents.get(ref.key)
        if stored is None:
            return
        deleted = ModelDeleted(ref=ref, digest=stored.document.spec.digest)
        await self._records.publisher.publish(self._event(deleted, stored.document))
        await self._documents.delete(ref.key, stored.revision)
        log.info("model deleted", ref=str(ref), digest=deleted.digest)

    def _event(self, data: ModelPushed | ModelDeleted, document: ModelDocument) -> Event[ModelPushed | ModelDeleted]:
        """The id holds the time of the first push too: a tag that was deleted begins anew at generation 1."""
        life = (document.created_at.isoformat(), str(document.generation))
        event_id = derive_id(type(data).__name__, data.ref.repository, data.ref.version, data.digest, *life)
        return self._records.events.event(data, event_id=event_id)


def model_ref(repository: str, tag: str) -> ModelRef | None:
    """The model version that a tag names; None where the name is too long for one."""
    try:
        return ModelRef.from_repository(repository, tag)
    except ValueError:
        log.warning("not announced: the name is too long for a model", repository=repository, tag=tag)
        return None
