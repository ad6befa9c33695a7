"""Serves as processes of this machine."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import psutil

from support.commands import Shell

from .substrate import model_servers


class Laptop:
    """See `Substrate`.

    Args:
        shell: runs commands of the platform's owner.
        home: home of the platform.
        namespace: namespace of the servings.
    """

    def __init__(self, shell: Shell, home: Path, namespace: str) -> None:
        self._shell = shell
        self._home = home
        self._namespace = namespace

    def processes(self, name: str) -> list[psutil.Process]:
        """See `Substrate`."""
        return model_servers(name, str(self._home))

    async def leftovers(self, name: str) -> list[str]:
        """See `Substrate`."""
        return [str(process) for process in self.processes(name)]

    async def set_secret(self, name: str, value: str) -> None:
        """See `Substrate`."""
        file = self._home / name
        await asyncio.to_thread(file.write_text, value)
        await self._shell.ok(f"klever secrets set {name} -n {self._namespace} --from-file {file}")

    def custom(self, program: str) -> dict[str, Any]:
        """See `Substrate`."""
        return {"command": [sys.executable, f"$MODEL_DIR/{program}"]}
