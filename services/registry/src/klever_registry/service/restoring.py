"""Restores the buckets of the registry after NATS has lost its store, or has an older one.

A document that is missing in a recreated or restored store was not deleted, so that nothing is removed because of it.
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
    """Restores the buckets that the registry owns.

    Attributes:
        records: restores models from copies; the comparison with the registry announces what has none.
        models: the bucket of the catalogue.
        policies: restores the projects from copies.
        scanners: restore the models of external registries.
    """

    records: Records
    models: RememberedBucket
    policies: Policies
    scanners: Sequence[Scanner]

    async def restore(self) -> None:
        """Restore documents that were lost since the last call. Raises TransientError."""
        verdict = await self.models.look()
        if verdict is not Verdict.SAME:
            log.error("NATS has lost its store: documents are restored from the registry", verdict=verdict)
            for scanner in self.scanners:
                scanner.scan_soon()
        if verdict is not Verdict.SAME or not self.records.copies.is_complete:
            await self.records.restore(is_older=verdict is Verdict.OLDER)
        try:
            await self.models.accept()
        except OSError as error:  # a full disk: the incarnation is known only while this process runs
            log.warning("incarnation of the bucket not stored", error=str(error))
        await self.policies.restore()
