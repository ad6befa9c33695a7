"""Requests to delete versions."""

from dataclasses import dataclass

import structlog

from klever_registry.errors import InUseError
from kleverkit.errors import PermanentError, TransientError
from kleverproto.codes import OTHER_REGISTRY
from kleverproto.models import ModelDeleteRequested, ModelDocument

from .distribution import Distribution
from .records import Records

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Deletions:
    """Deletes versions from the embedded registry, with the same effects as a deletion by the distribution API.

    Args:
        distribution: the registry.
        records: the catalogue.
        address: host:port of the registry.
    """

    distribution: Distribution
    records: Records
    address: str

    async def handle_request(self, request: ModelDeleteRequested) -> None:
        """Delete a version, if it is still in the state that the sender has seen. A late request changes nothing.

        Raises:
            PermanentError: the version is in another registry.
            TransientError: a server does not respond; or the version is served, perhaps only because the deletion of
                its serving has not arrived yet.
        """
        stored = await self.records.get(request.ref.key)
        if stored is None or not _is_current(stored.document, request):
            log.info("deletion is late", ref=str(request.ref), digest=request.digest)
            return
        spec = stored.document.spec
        if spec.registry != self.address:
            raise PermanentError(f"{spec.ref} is stored in {spec.registry}: delete it there", code=OTHER_REGISTRY)
        try:
            await self.distribution.delete_version(spec.ref.repository, spec.ref.version, spec.digest)
        except InUseError as error:
            raise TransientError(str(error), code=error.code) from error


def _is_current(document: ModelDocument, request: ModelDeleteRequested) -> bool:
    present = (document.spec.digest, document.generation, document.created_at)
    return present == (request.digest, request.generation, request.created_at)
