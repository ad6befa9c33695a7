"""Which model versions a serving needs: registry and gateway both protect them from deletion by this."""

from dataclasses import dataclass

from .references import ModelRef
from .servings import ServingDocument


@dataclass(frozen=True)
class ServedModel:
    """A version, and its manifest where that is known."""

    ref: ModelRef
    digest: str | None


def served_models(serving: ServingDocument) -> frozenset[ServedModel]:
    """What is wanted, what serves, and what was made of it; not the revisions that served before."""
    applied = serving.status.applied
    variants, running = (*serving.spec.variants, *(applied.variants if applied else ())), serving.status.variants
    made = (each.made.rpartition("@") for each in running if each.made)
    return frozenset(
        {
            *(ServedModel(ModelRef.parse(each.model), each.digest) for each in variants),
            *(ServedModel(ModelRef.parse(each.model), each.digest) for each in running),
            *(ServedModel(ModelRef.parse(ref), digest) for ref, _, digest in made),
        }
    )


def applied_models(serving: ServingDocument) -> frozenset[ServedModel]:
    """What serves, so that its files are where the model servers are."""
    applied = serving.status.applied
    return frozenset(
        ServedModel(ModelRef.parse(each.model), each.digest) for each in (applied.variants if applied else ())
    )


def still_served(version: str, servings: list[str]) -> str:
    """Why a version is not deleted, as a sentence. Servings are `namespace/name`."""
    return f"{version} is served by {', '.join(sorted(servings))}: deploy another version there, or undeploy it, first"
