"""Keeps Envoy's access log from growing without end."""

import asyncio
from pathlib import Path

import structlog

from klever_deployer.errors import DataPlaneError

from .envoy_admin import EnvoyAdmin

log = structlog.get_logger(__name__)

LARGEST = 64 * 1024 * 1024
LOOK_SECONDS = 5.0


class AccessLog:
    """A log of two files: the one that is written, and the one before.

    Args:
        path: the one that Envoy writes.
        admin: tells Envoy to open it again.
        largest: bytes after which a new one begins.
    """

    def __init__(self, path: Path, admin: EnvoyAdmin, largest: int = LARGEST) -> None:
        self._path = path
        self._admin = admin
        self._largest = largest

    async def run(self) -> None:
        """Look at its size, until cancelled."""
        while True:
            try:
                await self.rotate()
            except DataPlaneError as error:
                log.warning("the access log cannot be begun anew", error=str(error))
            await asyncio.sleep(LOOK_SECONDS)

    async def rotate(self) -> None:
        """Begin a new file where the present one is too large. Raises DataPlaneError."""
        if self._path.exists() and self._path.stat().st_size > self._largest:
            self._path.replace(self._path.with_suffix(".log.1"))
            await self._admin.reopen_logs()
