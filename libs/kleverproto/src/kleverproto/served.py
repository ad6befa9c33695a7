"""Model versions that a serving requires. Registry and gateway do not delete them."""

from dataclasses import dataclass

from .references import ModelRef
from .servings import ServingDocument


@dataclass(frozen=True)
class ServedModel:
    """A version, with its manifest if that is known."""

    ref: ModelRef
    digest: str | None


def served_models(serving: ServingDocument) -> frozenset[ServedModel]:
    """Return the requested, the applied and the converted versions of a serving, without those of earlier revisions."""
    applied = serving.status.applied
    variants, running = (*serving.spec.variants, *(applied.variants if applied else ())), serving.status.variants
    converted = (each.made.rpartition("@") for each in running if each.made)
    return frozenset(
        {
            *(ServedModel(ModelRef.parse(each.model), each.digest) for each in variants),
            *(ServedModel(ModelRef.parse(each.model), each.digest) for each in running),
            *(ServedModel(ModelRef.parse(ref), digest) for ref, _, digest in converted),
        }
    )


def applied_models(serving: ServingDocument) -> frozenset[ServedModel]:
    """Return the applied versions. Their files are present at the model servers."""
    applied = serving.status.applied
    return frozenset(
        ServedModel(ModelRef.parse(each.model), each.digest) for each in (applied.variants if applied else ())
    )


def still_served(version: str, servings: list[str]) -> str:
    """Return the message of a rejected deletion. Servings are given as `namespace/name`."""
    return f"{version} is served by {', '.join(sorted(servings))}: deploy another version there, or undeploy it, first"
