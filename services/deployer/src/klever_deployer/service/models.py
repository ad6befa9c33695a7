"""From a variant's reference to a model on this machine, and what serves it."""

import time
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field, replace

from klever_deployer.domain.replicas import CUSTOM, Deployment, LocalModel, Prepared, VersionKey
from klever_deployer.domain.runtimes import (
    CONVERTED_TO,
    UNPICKLED,
    choose,
    needs_conversion,
    parameters_refusal,
    refusal,
)
from klever_deployer.errors import (
    INVALID_EXPRESSION,
    MODEL_NOT_FOUND,
    UNSANDBOXED,
    UNSUPPORTED_FORMAT,
    UNSUPPORTED_PARAMETERS,
    ServingError,
)
from klever_deployer.ports import Conversions, ModelCatalogue, OnStep, Policies, Toolchains
from kleverkit.errors import TransientError
from kleverkit.expressions import expression_mistakes
from kleverproto.models import ModelDocument
from kleverproto.references import ModelRef
from kleverproto.servable import missing_knowledge, unservable
from kleverproto.servable import refusal as not_allowed
from kleverproto.served import ServedModel
from kleverproto.serving_specs import ServingSpec
from kleverproto.variants import Variant
from kleversandbox.support import Confinement
from modelformats.foreign_code import may_run_code

from .shelf import Shelf

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
        shelf: models on this machine.
        toolchains: environments of model servers.
        conversions: models made of those that nothing serves as they are.
        confinement: whether models that may run code can be confined.
        clock: seconds, growing.
    """

    catalogue: ModelCatalogue
    policies: Policies
    shelf: Shelf
    toolchains: Toolchains
    conversions: Conversions
    confinement: Confinement
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

    async def prepare(self, wanted: Iterable[Deployment], on_step: OnStep = _silently) -> dict[VersionKey, Prepared]:
        """Have the variants' models here, converted where that is needed, and their environments installed.

        Raises:
            ServingError: something of it is missing.
            TransientError: something does not answer now.
        """
        return {each.version_key: await self._prepare(each.variant, each.digest, on_step) for each in wanted}

    async def _accept(self, variant: Variant, served: Container[ServedModel]) -> str:
        """The digest to serve. The gateway has looked already, but requests come from elsewhere, too."""
        ref = ModelRef.parse(variant.model)
        is_served = variant.digest is not None and ServedModel(ref, variant.digest) in served
        if is_served and variant.digest is not None and await self.catalogue.find(ref) is None:
            return variant.digest
        document = await self._document(variant)
        digest = variant.digest or document.spec.digest
        policy = await self.policies.of(document.spec.ref.project)
        if lacking := missing_knowledge(document, policy):
            raise TransientError(f"{document.spec.ref} is not {lacking} yet")
        refused = not_allowed(document, digest, policy) or (None if variant.custom else unservable(document, digest))
        if refused:
            code, message = refused
            raise ServingError(message, code=code)
        return digest

    async def _prepare(self, variant: Variant, digest: str, on_step: OnStep) -> Prepared:
        model = await self._fetch(variant, digest)
        if needs_conversion(variant, model.format):
            model = await self._converted(variant, digest, model, on_step)
        choice = choose(variant, model.format)
        if choice is None:
            routes = self.conversions.routes(model.format)
            raise ServingError(refusal(variant, model.format, routes), code=UNSUPPORTED_FORMAT)
        if (refused := parameters_refusal(variant, choice.runtime)) is not None:
            raise ServingError(refused, code=UNSUPPORTED_PARAMETERS)
        may_run = choice.runtime == CUSTOM or may_run_code(model.format)
        if may_run and (refused := self.confinement.refusal(f"{variant.model}, served by {choice.runtime},")):
            raise ServingError(refused, code=UNSANDBOXED)
        if choice.toolchain is None:
            return Prepared(model, choice.runtime)
        trust = await self._trusted(variant) if model.format in UNPICKLED else ()
        if not self.toolchains.is_installed(choice.toolchain):
            await on_step(f"installing toolchain {choice.toolchain}, which takes minutes the first time")
        return Prepared(model, choice.runtime, await self.toolchains.ensure(choice.toolchain), trust)

    async def _trusted(self, variant: Variant) -> tuple[str, ...]:
        return (await self.policies.of(ModelRef.parse(variant.model).project)).trust

    async def _fetch(self, variant: Variant, digest: str) -> LocalModel:
        model = await self.shelf.find(digest)
        if model is not None:
            return model
        document = await self._document(variant)
        return await self.shelf.fetch(document.spec.ref, digest, document.spec.registry)

    async def _converted(self, variant: Variant, digest: str, source: LocalModel, on_step: OnStep) -> LocalModel:
        ref = ModelRef.parse(variant.model)
        made = await self.conversions.find(ref, digest, CONVERTED_TO)
        if made is None:
            await on_step(f"converting {ref} from {source.format} to {CONVERTED_TO}")
            document = await self._document(variant)
            made = await self.conversions.make(document, digest, source.format, CONVERTED_TO, on_step)
        result = await self.shelf.find(made.digest) or await self.shelf.fetch(made.ref, made.digest, made.registry)
        return replace(result, made=f"{made.ref}@{made.digest}")

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
