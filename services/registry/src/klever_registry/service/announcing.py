"""From a changed tag to the catalogue and to the event stream."""

import structlog

from klever_registry.domain import catalogue
from klever_registry.domain.manifests import Manifest
from klever_registry.ports import ManifestSource, SignatureStore
from kleverkit.documents import Stored, mutate
from kleverkit.errors import PermanentError, TransientError
from kleverproto.documents import Tombstone
from kleverproto.envelope import Event, derive_id
from kleverproto.models import ModelDeleted, ModelDocument, ModelPushed, ModelSpec
from kleverproto.references import ModelRef
from ormb.fetching import CONFIG_LIMIT
from ormb.reading import config_wanted

from .describing import describe
from .pending import Observed, PendingTags
from .records import Records

log = structlog.get_logger(__name__)


class Announcer:
    """Makes the catalogue say what the registry has, and tells everyone.

    Order of work: document, event, note that the event is out. A crash between two of these is repaired by doing
    the same again: the event's id derives from the document, so the stream drops the second one.

    Args:
        manifests: what the registry has.
        records: the catalogue, and where events go.
        signatures: those that lie beside the registry's models.
        address: host:port of the registry.
        owns_names: whether its tags win over those of the same name in other registries, and its news is always new;
            without, a version that another registry holds is left alone.
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
        """Work off changes for ever; those that cannot be told now are tried again."""
        while True:
            observed = await self.pending.take()
            try:
                await self._announce(observed)
            except TransientError as error:
                pause = self.pending.failed(observed)
                log.warning("announcement will be tried again", ref=str(observed.ref), error=str(error), pause=pause)
            except PermanentError as error:
                self.pending.done(observed)  # the next comparison of registry and catalogue finds it again
                log.warning("not announced", ref=str(observed.ref), registry=self._address, error=str(error))
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
        digest = None if await self._is_old_news(observed) else observed.digest
        manifest = await self._manifests.get(observed.ref.repository, digest or observed.ref.version)
        if manifest is None or digest is None:
            if self.pending.is_superseded(observed):
                return  # the tag changed once more, and that change tells the whole story
            manifest = await self._manifests.get(observed.ref.repository, observed.ref.version)
        spec = await self._described(observed.ref, manifest) if manifest else None
        if manifest is None or spec is None:
            await self._withdraw(observed.ref)
        else:
            await self._catalogue(spec, manifest)

    async def _described(self, ref: ModelRef, manifest: Manifest) -> ModelSpec | None:
        wanted = config_wanted(manifest.content)
        config = None
        if wanted is not None and wanted.size <= CONFIG_LIMIT:
            config = await self._manifests.config(ref.repository, wanted.digest, wanted.size)
        return describe(ref, manifest, registry=self._address, config=config)

    async def _is_old_news(self, observed: Observed) -> bool:
        """Whether another registry tells of a push that was followed by others, as it does when it tries again."""
        if self._owns_names:
            return False
        stored = await self._documents.get(observed.ref.key)
        history = stored.document.status.history if stored else ()
        return observed.digest in {entry.digest for entry in history[:-1]}

    async def _catalogue(self, spec: ModelSpec, manifest: Manifest) -> None:
        known = await self._signatures.find(spec.ref.repository, manifest.digest)
        now = self._records.clock()

        def decide(present: ModelDocument | None) -> ModelDocument | None:
            return catalogue.pushed(present, spec, now=now, known=known) if self._may_set(present) else None

        stored = await mutate(self._documents, spec.ref.key, decide)
        if stored is None or not self._may_set(stored.document):
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
        await self._records.publisher.publish(self._event(pushed, document))
        await mutate(self._documents, stored.key, lambda present: catalogue.announced(present, document.generation))
        log.info("model pushed", ref=str(spec.ref), digest=spec.digest, generation=document.generation)

    async def _withdraw(self, ref: ModelRef) -> None:
        stored = await self._documents.get(ref.key)
        if stored is None or stored.document.spec.registry != self._address:
            return
        deleted = ModelDeleted(ref=ref, digest=stored.document.spec.digest)
        await self._records.publisher.publish(self._event(deleted, stored.document))
        gone = Tombstone[ModelDocument](document=stored.document, announced=True, deleted_at=self._records.clock())
        await self._documents.bury(ref.key, gone, stored.revision)
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
