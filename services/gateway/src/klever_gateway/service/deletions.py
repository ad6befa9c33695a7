"""Requests to delete model versions."""

from klever_gateway.domain.queries import Query
from klever_gateway.domain.rows import Collection
from klever_gateway.errors import ModelServedError, OtherRegistryError
from kleverproto.models import ModelDeleteRequested, ModelDocument
from kleverproto.references import ModelRef
from kleverproto.served import served_models, still_served
from kleverproto.servings import ServingDocument

from .reader import Reader
from .submitter import Accepted, Submitter

EVERYTHING = 2**31
"""Limit for a page with all items."""


class Deletions:
    """Accepts deletions. The registry deletes, and makes the final check whether a version is served.

    All methods raise TransientError if the request cannot be stored.

    Args:
        submitter: stores the requests.
        reader: reads the versions and the servings.
        registry: host:port of the platform's registry, the only one that versions are deleted from.
    """

    def __init__(self, submitter: Submitter, reader: Reader, registry: str) -> None:
        self._submitter = submitter
        self._reader = reader
        self._registry = registry

    async def delete(self, project: str, model: str, version: str) -> Accepted:
        """Request the deletion of one version.

        Raises:
            NotFoundError: the version does not exist.
            OtherRegistryError: another registry stores the version.
            ModelServedError: the version is served.
        """
        row = await self._reader.version(project, model, version)
        document = ModelDocument.model_validate_json(row.body)
        self._require_ours([document])
        await self._require_unused([document.spec.ref])
        return await self._request(document)

    async def delete_all(self, project: str, model: str) -> list[ModelDocument]:
        """Request the deletion of all versions of a model, or of none.

        Raises:
            NotFoundError: the model does not exist.
            OtherRegistryError: another registry stores at least one of the versions.
            ModelServedError: at least one of the versions is served.
        """
        query = Query(where={"project": project, "model": model}, limit=EVERYTHING)
        page = await self._reader.versions(project, model, query)
        documents = [ModelDocument.model_validate_json(body) for body in page.bodies]
        self._require_ours(documents)
        await self._require_unused([document.spec.ref for document in documents])
        for document in documents:
            await self._request(document)
        return documents

    async def _request(self, document: ModelDocument) -> Accepted:
        spec = document.spec
        request = ModelDeleteRequested(
            ref=spec.ref, digest=spec.digest, generation=document.generation, created_at=document.created_at
        )
        event = self._submitter.event(request)
        await self._submitter.requests.store(event)
        return Accepted(document.model_dump_json(), document.generation, event.correlation_id or event.id)

    def _require_ours(self, documents: list[ModelDocument]) -> None:
        elsewhere = [document.spec for document in documents if document.spec.registry != self._registry]
        if elsewhere:
            kept = "; ".join(f"{spec.ref} is stored by {spec.registry}: delete it there" for spec in elsewhere)
            raise OtherRegistryError(f"{kept} (the platform deletes from {self._registry} only)")

    async def _require_unused(self, refs: list[ModelRef]) -> None:
        page = await self._reader.find(Collection.SERVINGS, Query(sort="name", limit=EVERYTHING))
        servings = [ServingDocument.model_validate_json(body) for body in page.bodies]
        served = {_name(each): {model.ref for model in served_models(each)} for each in servings}
        problems = [
            still_served(str(ref), names)
            for ref in refs
            if (names := [name for name, models in served.items() if ref in models])
        ]
        if problems:
            raise ModelServedError("; ".join(problems))


def _name(serving: ServingDocument) -> str:
    return f"{serving.namespace}/{serving.name}"
