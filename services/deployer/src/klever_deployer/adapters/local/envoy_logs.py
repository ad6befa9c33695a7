"""Rotates Envoy's logs."""

import asyncio
from pathlib import Path

import structlog

from klever_deployer.errors import DataPlaneError
from kleverkit.bounded_logs import LARGEST, truncate_if_large

from .envoy_admin import EnvoyAdmin

log = structlog.get_logger(__name__)

CHECK_SECONDS = 5.0


class EnvoyLogs:
    """Two logs, each with a current and a previous file.

    Args:
        access: the access log.
        own: Envoy's own log.
        admin: makes Envoy reopen the access log.
        largest: size in bytes after which a log is rotated.
    """

    def __init__(self, access: Path, own: Path, admin: EnvoyAdmin, largest: int = LARGEST) -> None:
        self._access = access
        self._own = own
        self._admin = admin
        self._largest = largest

    async def run(self) -> None:
        """Check the sizes periodically, until cancelled."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                await self.rotate()
            except (DataPlaneError, OSError) as error:
                log.warning("log of envoy not rotated, retrying", error=str(error))

    async def rotate(self) -> None:
        """Rotate logs that are too large. Raises DataPlaneError, OSError; call again to retry."""
        await asyncio.to_thread(truncate_if_large, self._own, self._largest)
        if self._access.exists() and self._access.stat().st_size > self._largest:
            self._access.replace(self._access.with_suffix(".log.1"))
        if not self._access.exists():  # renamed now, or before a call that failed: Envoy still writes to the old file
            await self._admin.reopen_logs()
