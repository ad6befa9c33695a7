"""Servings that take what is pushed to their tags."""

from dataclasses import dataclass

from klever_deployer.domain.following import follows
from klever_deployer.domain.replicas import ServingName
from klever_deployer.ports import ModelCatalogue
from kleverproto.envelope import Event
from kleverproto.models import ModelUpdated
from kleverproto.safety import is_scanned

from .records import Records


@dataclass(frozen=True)
class Following:
    """Records what pushes ask for.

    Args:
        catalogue: what has been pushed.
        records: which servings there are.
    """

    catalogue: ModelCatalogue
    records: Records

    async def updated(self, event: Event[ModelUpdated]) -> list[ServingName]:
        """A version is known better: once it is scanned, have it served. The servings that change by it.

        Raises:
            TransientError: the buckets cannot be reached.
        """
        ref, digest = event.data.ref, event.data.digest
        model = await self.catalogue.find(ref)
        if model is None or model.spec.digest != digest or not is_scanned(model):
            return []  # it was pushed over, or an event will come that tells of the scan
        concerned = [
            ServingName(each.namespace, each.name) for each in await self.records.all() if follows(each.spec, ref)
        ]
        cause, correlation = event.id, event.correlation_id or event.id
        return [name for name in concerned if await self.records.follow(name, ref, digest, (cause, correlation))]
