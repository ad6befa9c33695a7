"""Keeps Envoy's logs from growing without end."""

import asyncio
from pathlib import Path

import structlog

from klever_deployer.errors import DataPlaneError
from kleverkit.bounded_logs import LARGEST, truncate_if_large

from .envoy_admin import EnvoyAdmin

log = structlog.get_logger(__name__)

LOOK_SECONDS = 5.0


class EnvoyLogs:
    """Two logs, each of two files: the one that is written, and the one before.

    Args:
        access: the access log.
        own: what Envoy says of itself.
        admin: makes Envoy open the access log again.
        largest: bytes after which a new file begins.
    """

    def __init__(self, access: Path, own: Path, admin: EnvoyAdmin, largest: int = LARGEST) -> None:
        self._access = access
        self._own = own
        self._admin = admin
        self._largest = largest

    async def run(self) -> None:
        """Look at their sizes, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.rotate()
            except (DataPlaneError, OSError) as error:
                log.warning("log of envoy not rotated, retrying", error=str(error))

    async def rotate(self) -> None:
        """Begin new files where the present ones are too large. Raises DataPlaneError, OSError: to be tried again."""
        await asyncio.to_thread(truncate_if_large, self._own, self._largest)
        if self._access.exists() and self._access.stat().st_size > self._largest:
            self._access.replace(self._access.with_suffix(".log.1"))
        if not self._access.exists():  # now, or when Envoy did not answer the last time: it still writes to the old one
            await self._admin.reopen_logs()
