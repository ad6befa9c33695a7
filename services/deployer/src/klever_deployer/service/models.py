"""From a variant's reference to the model and the server that serve it."""

import time
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field

from klever_deployer.domain.runtimes import (
    CONVERTED_TO,
    UNPICKLED,
    choose,
    needs_conversion,
    parameters_refusal,
    refusal,
)
from klever_deployer.domain.versions import (
    Deployment,
    ModelFacts,
    ModelSource,
    ServingName,
    VersionKey,
    VersionSpec,
)
from klever_deployer.errors import (
    INVALID_EXPRESSION,
    MODEL_NOT_FOUND,
    UNSUPPORTED_FORMAT,
    UNSUPPORTED_PARAMETERS,
    ServingError,
)
from klever_deployer.ports import Conversions, ModelCatalogue, ModelRegistries, OnStep, Policies, Preparation
from kleverkit.errors import TransientError
from kleverkit.expressions import expression_mistakes
from kleverproto.conversions import UNVERIFIED, ConvertedModel
from kleverproto.models import ModelDocument
from kleverproto.references import ModelRef
from kleverproto.servable import missing_knowledge, unservable
from kleverproto.servable import refusal as not_allowed
from kleverproto.served import ServedModel
from kleverproto.serving_specs import ServingSpec
from kleverproto.variants import Variant

RESTORE_SECONDS = 120.0
"""How long the registry may take to restore a catalogue that was lost."""


async def _silently(_step: str) -> None:
    return


@dataclass(frozen=True)
class Models:
    """Finds, fetches and prepares what variants serve.

    Args:
        catalogue: what has been pushed.
        policies: what their projects let be served.
        registries: what they say of manifests that the catalogue does not describe.
        preparation: brings models and environments to where they are used.
        conversions: models made of those that nothing serves as they are.
        clock: seconds, growing.
    """

    catalogue: ModelCatalogue
    policies: Policies
    registries: ModelRegistries
    preparation: Preparation
    conversions: Conversions
    clock: Callable[[], float] = time.monotonic
    _missed: dict[str, float] = field(default_factory=dict)
    """Since when versions are missing that were in the catalogue once."""

    async def resolve(self, spec: ServingSpec, served: Container[ServedModel] = ()) -> ServingSpec:
        """The spec with its tags resolved to digests, each of which may be loaded.

        Args:
            spec: what is wanted.
            served: what the serving serves already; that may be gone from the catalogue.

        Raises:
            ServingError: there is no such version, its project does not let it be loaded, nothing could serve it, or
                the ingress would refuse one of the spec's expressions.
            TransientError: it is not scanned and parsed yet, or something does not answer now.
        """
        for place, mistake in expression_mistakes(spec):
            raise ServingError(f"{place}: {mistake}", code=INVALID_EXPRESSION)
        variants = [v.replace(digest=await self._accept(v, served)) for v in spec.variants]
        return spec.replace(variants=tuple(variants))

    async def prepare(
        self, serving: ServingName, wanted: Iterable[Deployment], on_step: OnStep = _silently
    ) -> dict[VersionKey, VersionSpec]:
        """Have everything ready that the variants need, their models converted where that is needed.

        Raises:
            ServingError: something of it is missing.
            TransientError: something does not answer now.
        """
        return {each.key(serving): await self._prepare(each.key(serving), each, on_step) for each in wanted}

    async def _accept(self, variant: Variant, served: Container[ServedModel]) -> str:
        """The digest to serve. The gateway has looked already, but requests come from elsewhere, too."""
        ref = ModelRef.parse(variant.model)
        is_served = variant.digest is not None and ServedModel(ref, variant.digest) in served
        if is_served and variant.digest is not None and await self.catalogue.find(ref) is None:
            return variant.digest
        document = await self._document(variant)
        digest = variant.digest or document.spec.digest
        policy = await self.policies.find(document.spec.ref.project)
        if lacking := missing_knowledge(document, policy):
            raise TransientError(f"{document.spec.ref} is not {lacking} yet")
        refused = not_allowed(document, digest, policy) or (None if variant.custom else unservable(document, digest))
        if refused:
            code, message = refused
            raise ServingError(message, code=code)
        return digest

    async def _prepare(self, key: VersionKey, deployment: Deployment, on_step: OnStep) -> VersionSpec:
        variant = deployment.variant
        model = await self._made_before(deployment) or await self._source(variant, deployment.digest)
        if needs_conversion(variant, model.facts.format):
            model = await self._converted(variant, model, on_step)
        choice = choose(variant, model.facts.format)
        if choice is None:
            routes = self.conversions.routes(model.facts.format)
            raise ServingError(refusal(variant, model.facts.format, routes), code=UNSUPPORTED_FORMAT)
        if (refused := parameters_refusal(variant, choice.runtime)) is not None:
            raise ServingError(refused, code=UNSUPPORTED_PARAMETERS)
        trust = await self._trusted(variant) if model.facts.format in UNPICKLED else ()
        spec = VersionSpec(key, variant, model, choice.runtime, trust)
        await self.preparation.prepare(spec, on_step)
        return spec

    async def _trusted(self, variant: Variant) -> tuple[str, ...]:
        return (await self.policies.find(ModelRef.parse(variant.model).project)).trust

    async def _made_before(self, deployment: Deployment) -> ModelSource | None:
        """What is recorded as made of its model, where it is prepared."""
        ref, _, digest = deployment.made.rpartition("@")
        facts = await self.preparation.find(digest) if digest else None
        return ModelSource(ModelRef.parse(ref), digest, None, facts, deployment.made) if facts is not None else None

    async def _source(self, variant: Variant, digest: str) -> ModelSource:
        """Which model it is, by the catalogue; one that is prepared needs none, which may have lost it."""
        ref = ModelRef.parse(variant.model)
        facts = await self.preparation.find(digest)
        if facts is not None and facts.format:
            return ModelSource(ref, digest, None, facts)
        document = await self._document(variant)
        spec = document.spec
        if spec.digest == digest:
            facts = ModelFacts(document.format or "", spec.metadata.labels.get(UNVERIFIED, ""))
        else:
            facts = await self.registries.describe(spec.ref, digest, spec.registry)
        return ModelSource(ref, digest, spec.registry, facts)

    async def _converted(self, variant: Variant, source: ModelSource, on_step: OnStep) -> ModelSource:
        ref = source.ref
        made = await self.conversions.find(ref, source.digest, CONVERTED_TO)
        if made is None:
            await on_step(f"converting {ref} from {source.facts.format} to {CONVERTED_TO}")
            document = await self._document(variant)
            made = await self.conversions.make(document, source.digest, source.facts.format, CONVERTED_TO, on_step)
        return ModelSource(made.ref, made.digest, made.registry, _facts_of(made), f"{made.ref}@{made.digest}")

    async def _document(self, variant: Variant) -> ModelDocument:
        ref = ModelRef.parse(variant.model)
        document = await self.catalogue.find(ref)
        if document is not None:
            self._missed.pop(variant.model, None)
            return document
        if await self._may_be_restored(variant, ref):
            raise TransientError(f"{variant.model} is not in the catalogue now, which may have been lost: waiting")
        message = f"{variant.model} is not in the catalogue: push it with `ormb push` first"
        raise ServingError(message, code=MODEL_NOT_FOUND)

    async def _may_be_restored(self, variant: Variant, ref: ModelRef) -> bool:
        """Whether a version that someone has seen is missing without having been deleted, and not for long."""
        if variant.digest is None or await self.catalogue.is_deleted(ref):
            return False
        now = self.clock()
        return now - self._missed.setdefault(variant.model, now) < RESTORE_SECONDS


def _facts_of(made: ConvertedModel) -> ModelFacts:
    labels = made.record.verification.labels
    return ModelFacts(CONVERTED_TO, labels.get(UNVERIFIED, ""))
