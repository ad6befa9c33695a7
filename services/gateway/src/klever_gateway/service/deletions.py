"""Requests to delete model versions."""

from klever_gateway.domain.queries import Query
from klever_gateway.domain.rows import Collection
from klever_gateway.errors import ModelServedError, OtherRegistryError
from kleverproto.models import ModelDeleteRequested, ModelDocument
from kleverproto.references import ModelRef
from kleverproto.served import served_models, still_served
from kleverproto.servings import ServingDocument

from .reading import Reading
from .writing import Writing, Written

EVERYTHING = 2**31
"""Items of a page that holds all."""


class Deletions:
    """Accepts deletions; the registry deletes, and makes the final check whether a version is served.

    All methods raise TransientError when the request could not be stored.

    Args:
        writing: stores the requests.
        reading: what there is.
        registry: host:port of the platform's registry, the only one that deletes for it.
    """

    def __init__(self, writing: Writing, reading: Reading, registry: str) -> None:
        self._writing = writing
        self._reading = reading
        self._registry = registry

    async def delete(self, project: str, model: str, version: str) -> Written:
        """Requests the deletion of one version.

        Raises:
            NotFoundError: there is no such version.
            OtherRegistryError: another registry stores it.
            ModelServedError: it is served.
        """
        row = await self._reading.version(project, model, version)
        document = ModelDocument.model_validate_json(row.body)
        self._require_ours([document])
        await self._require_unused([document.spec.ref])
        return await self._request(document)

    async def delete_all(self, project: str, model: str) -> list[ModelDocument]:
        """Requests the deletion of all versions of a model.

        Raises:
            NotFoundError: there is no such model.
            OtherRegistryError: another registry stores at least one of them; then none is deleted.
            ModelServedError: at least one of them is served; then none is deleted.
        """
        query = Query(where={"project": project, "model": model}, limit=EVERYTHING)
        page = await self._reading.versions(project, model, query)
        documents = [ModelDocument.model_validate_json(body) for body in page.bodies]
        self._require_ours(documents)
        await self._require_unused([document.spec.ref for document in documents])
        for document in documents:
            await self._request(document)
        return documents

    async def _request(self, document: ModelDocument) -> Written:
        spec = document.spec
        request = ModelDeleteRequested(
            ref=spec.ref, digest=spec.digest, generation=document.generation, created_at=document.created_at
        )
        event = self._writing.event(request)
        await self._writing.requests.store(event)
        return Written(document.model_dump_json(), document.generation, event.correlation_id or event.id)

    def _require_ours(self, documents: list[ModelDocument]) -> None:
        elsewhere = [document.spec for document in documents if document.spec.registry != self._registry]
        if elsewhere:
            kept = "; ".join(f"{spec.ref} is stored by {spec.registry}: delete it there" for spec in elsewhere)
            raise OtherRegistryError(f"{kept} (the platform deletes from {self._registry} only)")

    async def _require_unused(self, refs: list[ModelRef]) -> None:
        page = await self._reading.find(Collection.SERVINGS, Query(sort="name", limit=EVERYTHING))
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
