"""From a variant's reference to a model on this machine."""

from dataclasses import dataclass

from klever_deployer.domain import RUNTIMES, LocalModel, wanted_variants
from klever_deployer.errors import MODEL_NOT_FOUND, UNSUPPORTED_FORMAT, ServingError
from klever_deployer.ports import ModelCatalogue, ModelStore
from kleverproto.references import ModelRef
from kleverproto.servings import ServingSpec, Variant, VariantStatus


@dataclass(frozen=True)
class Models:
    """Finds and fetches what variants serve."""

    catalogue: ModelCatalogue
    store: ModelStore

    async def resolve(self, spec: ServingSpec) -> tuple[VariantStatus, ...]:
        """The variants with their tags resolved to digests. Raises ServingError, TransientError."""
        return wanted_variants(spec, {variant.name: await self._digest(variant) for variant in spec.variants})

    async def fetch(self, variants: tuple[VariantStatus, ...]) -> dict[str, LocalModel]:
        """The variants' models, by digest. Raises ServingError, TransientError."""
        return {variant.digest: await self._fetch(variant) for variant in variants}

    async def _digest(self, variant: Variant) -> str:
        if variant.digest is not None:
            return variant.digest
        document = await self.catalogue.find(ModelRef.parse(variant.model))
        if document is None:
            raise _not_found(variant.model)
        return document.spec.digest

    async def _fetch(self, variant: VariantStatus) -> LocalModel:
        model = await self.store.find(variant.digest)
        if model is None:
            ref = ModelRef.parse(variant.model)
            document = await self.catalogue.find(ref)
            if document is None:
                raise _not_found(variant.model)
            model = await self.store.fetch(ref, variant.digest, document.spec.registry)
        if model.format not in RUNTIMES:
            served = ", ".join(sorted(RUNTIMES))
            raise ServingError(
                f"{variant.model} is a {model.format or 'model of unknown format'}, which cannot be served yet: "
                f"formats that can are {served}",
                code=UNSUPPORTED_FORMAT,
            )
        return model


def _not_found(model: str) -> ServingError:
    return ServingError(f"{model} is not in the catalogue: push it with `ormb push` first", code=MODEL_NOT_FOUND)
