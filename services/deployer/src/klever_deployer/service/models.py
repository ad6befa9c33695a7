"""Resolves a variant's reference to a model, and prepares the model and its server."""

import time
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field

from klever_deployer.domain.runtimes import (
    CONVERTED_TO,
    ChooseRuntime,
    choose,
    needs_conversion,
    parameters_refusal,
    refusal,
)
from klever_deployer.domain.versions import ModelFacts, ModelSource, VersionSpec
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
from kleverroutes.versions import Deployment, ServingName, VersionKey
from modelfiles.runtimes import UNPICKLED

RESTORE_SECONDS = 120.0
"""Longest wait until the registry has restored a lost catalogue."""


async def _ignore_step(_step: str) -> None:
    return


@dataclass(frozen=True)
class Models:
    """Finds, fetches and prepares the models of variants.

    Args:
        catalogue: the models that were pushed.
        policies: the projects' policies on which models may be served.
        registries: describe manifests that are not in the catalogue.
        preparation: makes models and environments available to replicas.
        conversions: converts models whose own format no runtime serves.
        choose: chooses the runtime on the backend.
        clock: monotonic seconds.
    """

    catalogue: ModelCatalogue
    policies: Policies
    registries: ModelRegistries
    preparation: Preparation
    conversions: Conversions
    choose: ChooseRuntime = choose
    clock: Callable[[], float] = time.monotonic
    _missed: dict[str, float] = field(default_factory=dict)
    """Versions that disappeared from the catalogue, and the time since when they are missing."""

    async def resolve(self, spec: ServingSpec, served: Container[ServedModel] = ()) -> ServingSpec:
        """The spec with its tags resolved to digests that may be served.

        Args:
            spec: the requested spec.
            served: the models that the serving already serves; the catalogue may no longer contain them.

        Raises:
            ServingError: a version does not exist, its project does not allow it, no runtime serves it, or
                the ingress would reject one of the spec's expressions.
            TransientError: a version is not scanned and parsed yet, or a service does not respond.
        """
        for place, mistake in expression_mistakes(spec):
            raise ServingError(f"{place}: {mistake}", code=INVALID_EXPRESSION)
        variants = [v.replace(digest=await self._accept(v, served)) for v in spec.variants]
        return spec.replace(variants=tuple(variants))

    async def prepare(
        self, serving: ServingName, wanted: Iterable[Deployment], on_step: OnStep = _ignore_step
    ) -> dict[VersionKey, VersionSpec]:
        """Prepare everything that the variants need; convert their models if necessary.

        Raises:
            ServingError: a model or an environment cannot be prepared.
            TransientError: a service does not respond.
        """
        return {each.key(serving): await self._prepare(each.key(serving), each, on_step) for each in wanted}

    async def _accept(self, variant: Variant, served: Container[ServedModel]) -> str:
        """The digest to serve. The gateway has made these checks, but not every request comes from the gateway."""
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
        model = await self._recorded_conversion(deployment) or await self._source(variant, deployment.digest)
        if needs_conversion(variant, model.facts.format):
            model = await self._convert(variant, model, on_step)
        choice = self.choose(variant, model.facts.format)
        if choice is None:
            routes = self.conversions.routes(model.facts.format)
            raise ServingError(refusal(variant, model.facts.format, routes), code=UNSUPPORTED_FORMAT)
        if (refused := parameters_refusal(variant, choice.runtime)) is not None:
            raise ServingError(refused, code=UNSUPPORTED_PARAMETERS)
        trust = await self._trust(variant) if model.facts.format in UNPICKLED else ()
        spec = VersionSpec(key, variant, model, choice.runtime, trust)
        await self.preparation.prepare(spec, on_step)
        return spec

    async def _trust(self, variant: Variant) -> tuple[str, ...]:
        return (await self.policies.find(ModelRef.parse(variant.model).project)).trust

    async def _recorded_conversion(self, deployment: Deployment) -> ModelSource | None:
        """The recorded conversion of the variant's model, if it is prepared here; otherwise None."""
        ref, _, digest = deployment.made.rpartition("@")
        facts = await self.preparation.find(digest) if digest else None
        return ModelSource(ModelRef.parse(ref), digest, None, facts, deployment.made) if facts is not None else None

    async def _source(self, variant: Variant, digest: str) -> ModelSource:
        """The variant's model; the catalogue, which may have lost it, is read only if the model is not prepared."""
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

    async def _convert(self, variant: Variant, source: ModelSource, on_step: OnStep) -> ModelSource:
        ref = source.ref
        made = await self.conversions.find(ref, source.digest, CONVERTED_TO)
        if made is None:
            await on_step(f"converting {ref} from {source.facts.format} to {CONVERTED_TO}")
            document = await self._document(variant)
            made = await self.conversions.make(document, source.digest, source.facts.format, CONVERTED_TO, on_step)
        registry = source.registry or await self._present_registry(ref) or made.registry
        return ModelSource(made.ref, made.digest, registry, _facts_of(made), f"{made.ref}@{made.digest}")

    async def _present_registry(self, ref: ModelRef) -> str | None:
        """The address of a model's registry, which also has its conversions; it may change between two starts."""
        document = await self.catalogue.find(ref)
        return document.spec.registry if document is not None else None

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
        """Return whether a version that was resolved before is missing, was not deleted, and may still be restored."""
        if variant.digest is None or await self.catalogue.is_deleted(ref):
            return False
        now = self.clock()
        return now - self._missed.setdefault(variant.model, now) < RESTORE_SECONDS


def _facts_of(made: ConvertedModel) -> ModelFacts:
    labels = made.record.verification.labels
    return ModelFacts(CONVERTED_TO, labels.get(UNVERIFIED, ""))
