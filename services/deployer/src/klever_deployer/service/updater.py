"""Updates servings whose tags were pushed."""

from dataclasses import dataclass

import structlog

from klever_deployer.ports import ModelCatalogue
from kleverproto.conversions import UNVERIFIED
from kleverproto.documents import Intent
from kleverproto.envelope import Event
from kleverproto.models import ModelUpdated
from kleverproto.safety import is_scanned
from kleverproto.servings import Followed
from kleverroutes.versions import ServingName

from .followers import Followers
from .intents import Intents

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Updater:
    """Records the new manifest of a tag as the intent of the servings that follow the tag.

    Args:
        catalogue: the models that were pushed.
        intents: records intents.
        followers: finds the servings that follow a tag.
    """

    catalogue: ModelCatalogue
    intents: Intents
    followers: Followers

    async def update_followers(self, event: Event[ModelUpdated]) -> list[ServingName]:
        """Deploy an updated version to the servings that follow its tag, once it is scanned.

        Returns:
            The servings whose intent has changed.

        Raises:
            TransientError: the buckets cannot be reached.
        """
        ref, digest = event.data.ref, event.data.digest
        followers = sorted(await self.followers.find(ref), key=str)
        model = await self.catalogue.find(ref) if followers else None
        if model is None or model.spec.digest != digest or not is_scanned(model):
            return []  # the tag was pushed again, or the scan is not finished: each publishes an event
        if UNVERIFIED in model.spec.metadata.labels:
            log.warning("version not deployed automatically: it is not verified", ref=str(ref), digest=digest)
            return []
        push = Followed(digest=digest, generation=model.generation, created_at=model.created_at)
        cause = Intent(sequence=0, event_id=event.id, correlation_id=event.correlation_id or event.id)
        return [name for name in followers if await self.intents.follow(name, ref, push, cause)]
