"""Models on a cluster: pods fetch them themselves, so only facts about them are kept."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from klever_deployer.domain.versions import ModelFacts, VersionSpec
from klever_deployer.ports import OnStep
from kleverkube.version import ServedVersion


@dataclass(frozen=True)
class KnownModel:
    """A model that is served."""

    facts: ModelFacts
    registry: str


class ClusterPreparation:
    """See `ports.Preparation`.

    Args:
        served: the versions that the objects of the cluster describe.
    """

    def __init__(self, served: Callable[[], Iterable[ServedVersion]] = tuple) -> None:
        self._served = served
        self._prepared: dict[str, KnownModel] = {}
        self._new: set[str] = set()
        """Digests that were prepared since the last call of `retain`."""

    async def find(self, digest: str) -> ModelFacts | None:
        """See `Preparation`."""
        known = self._find(digest)
        return known.facts if known is not None else None

    async def prepare(self, spec: VersionSpec, _on_step: OnStep) -> None:
        """See `Preparation`."""
        model = spec.model
        if model.registry is not None:
            self._prepared[model.digest] = KnownModel(model.facts, model.registry)
            self._new.add(model.digest)

    async def retain(self, digests: Collection[str]) -> None:
        """See `Preparation`."""
        kept = {*digests, *self._new}
        self._prepared = {digest: known for digest, known in self._prepared.items() if digest in kept}
        self._new.clear()

    def registry(self, digest: str) -> str | None:
        """The registry of a model; None if neither the catalogue nor the cluster knows it."""
        known = self._find(digest)
        return known.registry if known is not None else None

    def _find(self, digest: str) -> KnownModel | None:
        if (known := self._prepared.get(digest)) is not None:
            return known
        served = (each for each in self._served() if each.digest == digest)
        return next((KnownModel(ModelFacts(each.format, each.unverified), each.registry) for each in served), None)
