"""What is done when NATS has lost its store, or has an older one: what the registry knows is brought back.

A store that was recreated or restored from a backup says nothing about what should be: nothing is deleted for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from kleverkit.incarnations import RememberedBucket, Verdict

from .external import Scanner
from .policies import Policies
from .records import Records

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Restorer:
    """Looks after the buckets that the registry owns.

    Attributes:
        records: restores models from copies; the comparison with the registry announces what has none.
        models: the catalogue's bucket.
        policies: restores the projects from copies.
        scanners: bring back the models of other registries.
    """

    records: Records
    models: RememberedBucket
    policies: Policies
    scanners: Sequence[Scanner]

    async def restore(self) -> None:
        """Bring back what was lost since the last look. Raises TransientError."""
        verdict = await self.models.look()
        if verdict is not Verdict.SAME:
            log.error("NATS has lost its store: what the registry knows is brought back", verdict=verdict)
            for scanner in self.scanners:
                scanner.scan_soon()
        if verdict is not Verdict.SAME or not self.records.copies.is_complete:
            await self.records.restore(is_older=verdict is Verdict.OLDER)
        try:
            await self.models.accept()
        except OSError as error:  # a full disk: it is remembered for as long as this process runs
            log.warning("bucket not remembered", error=str(error))
        await self.policies.restore()
