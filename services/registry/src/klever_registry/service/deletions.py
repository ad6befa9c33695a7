"""Versions that people want deleted."""

from dataclasses import dataclass

import structlog

from klever_registry.errors import InUseError
from kleverkit.documents import Documents
from kleverkit.errors import PermanentError, TransientError
from kleverproto.codes import OTHER_REGISTRY
from kleverproto.models import ModelDeleteRequested, ModelDocument

from .distribution import Distribution

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Deletions:
    """Deletes versions from the embedded registry; what follows is as after a deletion by the distribution API.

    Args:
        distribution: the registry.
        documents: the catalogue.
        address: host:port of the registry.
    """

    distribution: Distribution
    documents: Documents[ModelDocument]
    address: str

    async def requested(self, wanted: ModelDeleteRequested) -> None:
        """Delete a version that is still what someone saw; a late request changes nothing.

        Raises:
            PermanentError: another registry holds it.
            TransientError: something does not answer now; or it is served, perhaps only until the registry has heard
                that its serving is gone.
        """
        stored = await self.documents.get(wanted.ref.key)
        if stored is None or not _is_meant(stored.document, wanted):
            log.info("deletion is late", ref=str(wanted.ref), digest=wanted.digest)
            return
        spec = stored.document.spec
        if spec.registry != self.address:
            raise PermanentError(f"{spec.ref} is kept by {spec.registry}: delete it there", code=OTHER_REGISTRY)
        try:
            await self.distribution.delete_version(spec.ref.repository, spec.ref.version, spec.digest)
        except InUseError as error:
            raise TransientError(str(error), code=error.code) from error


def _is_meant(document: ModelDocument, wanted: ModelDeleteRequested) -> bool:
    present = (document.spec.digest, document.generation, document.created_at)
    return present == (wanted.digest, wanted.generation, wanted.created_at)
