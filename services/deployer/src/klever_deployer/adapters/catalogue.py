"""The registry's catalogue and policies, read from its buckets; only the registry writes there."""

from kleverkit.documents import Buried, Documents
from kleverproto.models import ModelDocument
from kleverproto.projects import ProjectDocument, ProjectPolicy
from kleverproto.references import ModelRef
from kleverproto.subjects import escape


class DocumentCatalogue:
    """See `ports.ModelCatalogue`."""

    def __init__(self, documents: Documents[ModelDocument]) -> None:
        self._documents = documents

    async def find(self, ref: ModelRef) -> ModelDocument | None:
        """See `ModelCatalogue`."""
        stored = await self._documents.get(ref.key)
        return stored.document if stored else None

    async def is_deleted(self, ref: ModelRef) -> bool:
        """See `ModelCatalogue`."""
        return isinstance(await self._documents.find(ref.key), Buried)


class DocumentPolicies:
    """See `ports.Policies`."""

    def __init__(self, documents: Documents[ProjectDocument]) -> None:
        self._documents = documents

    async def find(self, project: str) -> ProjectPolicy:
        """See `Policies`."""
        stored = await self._documents.get(escape(project))
        return stored.document.spec.policy if stored else ProjectPolicy()
