"""What is done when NATS has lost its store, or has an older one: what the registry knows is brought back.

A store that was recreated or restored from a backup says nothing about what should be: nothing is deleted for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from kleverkit.incarnations import RememberedBucket, Verdict

from .external import Scanner
from .policies import Policies

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Restorer:
    """Looks at the buckets that the registry owns.

    Attributes:
        models: the catalogue; the comparison with the registry announces what it lacks.
        projects: the policies, of which there are copies.
        policies: restores them.
        scanners: bring back the models of other registries.
    """

    models: RememberedBucket
    projects: RememberedBucket
    policies: Policies
    scanners: Sequence[Scanner]

    async def restore(self) -> None:
        """Bring back what was lost since the last look. Raises TransientError."""
        if await _is_lost(self.models, "klever-models"):
            for scanner in self.scanners:
                scanner.scan_soon()
        await self._remember(self.models)
        await self.policies.restore(is_older=await _is_lost(self.projects, "klever-projects"))
        await self._remember(self.projects)

    @staticmethod
    async def _remember(bucket: RememberedBucket) -> None:
        try:
            await bucket.accept()
        except OSError as error:  # a full disk: the next look compares with what was remembered before
            log.warning("bucket not remembered", error=str(error))


async def _is_lost(bucket: RememberedBucket, name: str) -> bool:
    verdict = await bucket.look()
    if verdict is not Verdict.SAME:
        log.error("NATS has lost its store: what the registry knows is brought back", bucket=name, verdict=verdict)
    return verdict is not Verdict.SAME
