"""From a variant's reference to a model on this machine."""

from collections.abc import Iterable
from dataclasses import dataclass

from klever_deployer.domain.replicas import Deployment, LocalModel
from klever_deployer.domain.runtimes import refusal, runtime_of
from klever_deployer.errors import MODEL_NOT_FOUND, UNSUPPORTED_FORMAT, ServingError
from klever_deployer.ports import ModelCatalogue, ModelStore
from kleverproto.references import ModelRef
from kleverproto.serving_specs import ServingSpec
from kleverproto.variants import Variant


@dataclass(frozen=True)
class Models:
    """Finds and fetches what variants serve."""

    catalogue: ModelCatalogue
    store: ModelStore

    async def resolve(self, spec: ServingSpec) -> ServingSpec:
        """The spec with its tags resolved to digests. Raises ServingError, TransientError."""
        variants = [v.model_copy(update={"digest": await self._digest(v)}) for v in spec.variants]
        return spec.model_copy(update={"variants": tuple(variants)})

    async def fetch(self, wanted: Iterable[Deployment]) -> dict[str, LocalModel]:
        """The variants' models, by digest. Raises ServingError, TransientError."""
        return {each.digest: await self._fetch(each.variant, each.digest) for each in wanted}

    async def _digest(self, variant: Variant) -> str:
        if variant.digest is not None:
            return variant.digest
        document = await self.catalogue.find(ModelRef.parse(variant.model))
        if document is None:
            raise _not_found(variant.model)
        return document.spec.digest

    async def _fetch(self, variant: Variant, digest: str) -> LocalModel:
        model = await self.store.find(digest)
        if model is None:
            ref = ModelRef.parse(variant.model)
            document = await self.catalogue.find(ref)
            if document is None:
                raise _not_found(variant.model)
            model = await self.store.fetch(ref, digest, document.spec.registry)
        if runtime_of(variant, model.format) is None:
            raise ServingError(refusal(variant, model.format), code=UNSUPPORTED_FORMAT)
        return model


def _not_found(model: str) -> ServingError:
    return ServingError(f"{model} is not in the catalogue: push it with `ormb push` first", code=MODEL_NOT_FOUND)
