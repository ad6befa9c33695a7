"""Finds the model versions that a request refers to."""

import asyncio
from collections.abc import Awaitable, Callable, Container

from klever_gateway.domain.rows import Collection
from klever_gateway.errors import FieldError, InvalidRequestError
from klever_gateway.ports import Projection
from kleverkit.errors import TransientError
from kleverkit.expressions import expression_mistakes
from kleverproto.codes import DIGEST_NOT_FOUND, INVALID_EXPRESSION, MODEL_NOT_FOUND
from kleverproto.commands import command_refusal
from kleverproto.models import ModelDocument
from kleverproto.projects import ProjectPolicy
from kleverproto.references import ModelRef, names_registry
from kleverproto.refusals import Refusal
from kleverproto.servable import missing_knowledge, refusal, unconvertible, unservable
from kleverproto.served import ServedModel
from kleverproto.serving_specs import ServingSpec
from kleverproto.variants import Variant

from .arrivals import Arrivals


class Versions:
    """Looks up model versions, and rejects those that may not be served or converted.

    Args:
        projection: the versions.
        arrivals: notifications of new versions.
        policy_of: returns the policy of a project.
        wait_seconds: longest wait for a version that was just pushed: to arrive, and to be scanned and parsed.
        allow_commands: whether the operator permits `custom.command`.
    """

    def __init__(
        self,
        projection: Projection,
        arrivals: Arrivals,
        policy_of: Callable[[str], Awaitable[ProjectPolicy]],
        *,
        wait_seconds: float,
        allow_commands: bool,
    ) -> None:
        self._projection = projection
        self._arrivals = arrivals
        self._policy_of = policy_of
        self._wait_seconds = wait_seconds
        self._allow_commands = allow_commands

    async def get(self, reference: ModelRef, field: str) -> ModelDocument:
        """Return the version. Waits for one that was just pushed.

        Raises:
            InvalidRequestError: the version does not exist; names the field.
        """
        version = await self._await(reference)
        if version is None:
            raise InvalidRequestError(
                _not_found(reference),
                errors=(FieldError(field, _not_found(reference)),),
                code=MODEL_NOT_FOUND,
            )
        return version

    async def get_convertible(self, reference: ModelRef, field: str) -> ModelDocument:
        """Return a version that is to be loaded and converted.

        Raises:
            InvalidRequestError: as `get`; or the policy of its project, or its format, does not permit a conversion.
        """
        document = await self._known(reference, await self.get(reference, field))
        policy = await self._policy_of(reference.project)
        if refused := refusal(document, None, policy) or unconvertible(document):
            code, message = refused
            raise InvalidRequestError(message, errors=(FieldError(field, message),), code=code)
        return document

    async def resolve(self, spec: ServingSpec, served: Container[ServedModel] = ()) -> ServingSpec:
        """Return the spec with the digest of every variant.

        Args:
            spec: the requested spec.
            served: the models that the serving serves already; these may be missing from the catalogue.

        Raises:
            InvalidRequestError: a version or digest does not exist, the policy of its project does not permit it, no
                model server supports it, or the operator does not permit its command; lists every such problem.
        """
        judged = await asyncio.gather(*(self._served(variant, served) for variant in spec.variants))
        documents = [document for document, _ in judged]
        problems = [
            (code, FieldError(f"spec.variants.{number}.{field}", message))
            for number, (_, wrong) in enumerate(judged)
            for code, field, message in wrong
        ]
        problems += [(INVALID_EXPRESSION, FieldError(*mistake)) for mistake in expression_mistakes(spec)]
        if problems:
            errors = tuple(error for _, error in problems)
            message = "; ".join(dict.fromkeys(error.message for error in errors))
            raise InvalidRequestError(message, errors=errors, code=problems[0][0])
        variants = tuple(
            variant.replace(digest=variant.digest or (document.spec.digest if document else None))
            for variant, document in zip(spec.variants, documents, strict=True)
        )
        return spec.replace(variants=variants)

    async def _served(
        self, variant: Variant, served: Container[ServedModel]
    ) -> tuple[ModelDocument | None, list[tuple[str, str, str]]]:
        """Return the version of a variant, and its problems as code, field and message."""
        if command := command_refusal(variant, allowed=self._allow_commands):
            return None, [(command[0], "custom.command", command[1])]
        reference = ModelRef.parse(variant.model)
        is_served = variant.digest is not None and ServedModel(reference, variant.digest) in served
        document = await (self._find(reference) if is_served else self._await(reference))
        if document is None and is_served:
            return None, []
        problems = _problems(variant, document)
        if document is None or problems:
            return document, problems
        refused = await self._refusal(reference, document, variant)
        return document, [(refused[0], "model", refused[1])] if refused else []

    async def _refusal(self, reference: ModelRef, document: ModelDocument, variant: Variant) -> Refusal | None:
        """Return the reason to reject a variant, or None. A custom server may support more than the built-in ones."""
        document = await self._known(reference, document)
        refused = refusal(document, variant.digest, await self._policy_of(reference.project))
        return refused or (None if variant.custom else unservable(document, variant.digest))

    async def _known(self, reference: ModelRef, document: ModelDocument) -> ModelDocument:
        """Return the version once it is scanned and parsed, or its present state at the deadline."""
        policy = await self._policy_of(reference.project)

        async def probe() -> ModelDocument | None:
            present = await self._find(reference)
            return present if present and missing_knowledge(present, policy) is None else None

        return await self._arrivals.wait_for(probe, self._wait_seconds) or document

    async def _find(self, reference: ModelRef) -> ModelDocument | None:
        row = await self._projection.get(Collection.MODELS, reference.key)
        return ModelDocument.model_validate_json(row.body) if row else None

    async def _await(self, reference: ModelRef) -> ModelDocument | None:
        version = await self._arrivals.wait_for(lambda: self._find(reference), self._wait_seconds)
        if version is None and not await self._projection.is_loaded(Collection.MODELS):
            raise TransientError("the gateway has not read the models yet: try again in a moment")
        return version


def _problems(variant: Variant, document: ModelDocument | None) -> list[tuple[str, str, str]]:
    """Return the problems of a variant's model as code, field and message."""
    reference = ModelRef.parse(variant.model)
    if document is None:
        return [(MODEL_NOT_FOUND, "model", _not_found(reference))]
    known = {document.spec.digest, *(entry.digest for entry in document.status.history)}
    if variant.digest is None or variant.digest in known:
        return []
    message = f"{reference} never had the digest {variant.digest}: leave it out to serve {document.spec.digest}"
    return [(DIGEST_NOT_FOUND, "digest", message)]


def _not_found(reference: ModelRef) -> str:
    host = f", or leave out {reference.project} if it is the registry" if names_registry(reference.repository) else ""
    return f"there is no model version {reference}: push it first with `ormb push`{host}"
