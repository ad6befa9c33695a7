"""Writes the files of Envoy's dynamic configuration, and checks whether Envoy has applied them."""

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from klever_deployer.errors import DataPlaneError, RefusedByProxyError
from kleverkit.durable import replace_file

from . import envoy_config, processes
from .envoy_admin import EnvoyAdmin

POLL_SECONDS = 0.01
ACCEPT_SECONDS = 10.0

Resources = list[dict[str, Any]]


@dataclass(frozen=True)
class Discovery:
    """A kind of dynamic configuration."""

    file: str
    stat: str
    """Prefix of its statistics in Envoy."""


CLUSTERS = Discovery("cds.json", "cluster_manager.cds")
ROUTES = Discovery("rds.json", f"http.{envoy_config.LISTENER}.rds.{envoy_config.ROUTES}")
LISTENERS = Discovery("lds.json", "listener_manager.lds")


class EnvoyFiles:
    """Writes configuration files that Envoy watches, and waits until Envoy has applied them.

    Args:
        directory: holds the files.
        admin: Envoy's admin interface.
        log: Envoy's log, which contains the reason for a rejection.
    """

    def __init__(self, directory: Path, admin: EnvoyAdmin, log: Path) -> None:
        self._directory = directory
        self._admin = admin
        self._log = log

    def write(self, kind: Discovery, resources: Resources) -> str:
        """Replace a file atomically, as Envoy requires, and return the version that Envoy will report.

        Raises:
            DataPlaneError: the file cannot be written. The old one stays in place.
        """
        version = uuid4().hex
        self.keep(kind.file, json.dumps(envoy_config.discovery(version, resources)))
        return version

    def keep(self, name: str, text: str) -> None:
        """Replace any file in the directory. Raises DataPlaneError; the old file then stays in place."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            replace_file(self._directory / name, text.encode())
        except OSError as error:
            message = f"{name} of the data plane cannot be written: {error}. Free disk space; the write is retried"
            raise DataPlaneError(message) from error

    def last(self, kind: Discovery) -> Resources:
        """The resources that were written last, even if Envoy has not applied them; empty if they cannot be read."""
        return self._read(kind)[1]

    async def put(self, kind: Discovery, resources: Resources) -> None:
        """Write a configuration and wait until it is in effect.

        Raises:
            RefusedByProxyError: Envoy rejects the configuration; a retry does not help.
            DataPlaneError: Envoy does not respond.
        """
        rejected = await self._admin.counter(f"{kind.stat}.update_rejected")
        version = await asyncio.to_thread(self.write, kind, resources)
        deadline = time.monotonic() + ACCEPT_SECONDS
        while await self._admin.version(f"{kind.stat}.version_text") != version:
            if await self._admin.counter(f"{kind.stat}.update_rejected") > rejected:
                raise RefusedByProxyError(f"Envoy refuses {kind.file}: {processes.tail(self._log, lines=1)}")
            if time.monotonic() > deadline:
                raise DataPlaneError(f"Envoy did not take {kind.file} within {ACCEPT_SECONDS:g} s")
            await asyncio.sleep(POLL_SECONDS)

    async def is_in_effect(self, kind: Discovery, resources: Resources) -> bool:
        """Return whether the file has this content and Envoy has applied it. Raises DataPlaneError."""
        version, written = self._read(kind)
        return written == resources and await self._admin.version(f"{kind.stat}.version_text") == version

    def _read(self, kind: Discovery) -> tuple[str, Resources]:
        try:
            written = json.loads((self._directory / kind.file).read_text())
            return str(written["version_info"]), list(written["resources"])
        except (OSError, ValueError, KeyError, TypeError):
            return "", []
