"""The registry's catalogue, read from its bucket; only the registry writes there."""

from kleverkit.documents import Documents
from kleverproto.models import ModelDocument
from kleverproto.references import ModelRef


class DocumentCatalogue:
    """See `ports.ModelCatalogue`."""

    def __init__(self, documents: Documents[ModelDocument]) -> None:
        self._documents = documents

    async def find(self, ref: ModelRef) -> ModelDocument | None:
        """See `ModelCatalogue`."""
        stored = await self._documents.get(ref.key)
        return stored.document if stored else None
