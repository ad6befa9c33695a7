"""Servings that take what is pushed to their tags."""

from dataclasses import dataclass

import structlog

from klever_deployer.domain.versions import ServingName
from klever_deployer.ports import ModelCatalogue
from kleverproto.conversions import UNVERIFIED
from kleverproto.documents import Intent
from kleverproto.envelope import Event
from kleverproto.models import ModelUpdated
from kleverproto.safety import is_scanned
from kleverproto.servings import Followed

from .followers import Followers
from .intents import Intents

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Following:
    """Records what pushes ask for.

    Args:
        catalogue: what has been pushed.
        intents: what servings are to be.
        followers: which servings follow a tag.
    """

    catalogue: ModelCatalogue
    intents: Intents
    followers: Followers

    async def updated(self, event: Event[ModelUpdated]) -> list[ServingName]:
        """A version is known better: once it is scanned, have it served. The servings that change by it.

        Raises:
            TransientError: the buckets cannot be reached.
        """
        ref, digest = event.data.ref, event.data.digest
        followers = sorted(await self.followers.find(ref), key=str)
        model = await self.catalogue.find(ref) if followers else None
        if model is None or model.spec.digest != digest or not is_scanned(model):
            return []  # it was pushed over, or the scan is still to come, with an event of its own
        if UNVERIFIED in model.spec.metadata.labels:
            log.warning("not deployed by a policy: the version is not verified", ref=str(ref), digest=digest)
            return []
        push = Followed(digest=digest, generation=model.generation, created_at=model.created_at)
        cause = Intent(sequence=0, event_id=event.id, correlation_id=event.correlation_id or event.id)
        return [name for name in followers if await self.intents.follow(name, ref, push, cause)]
