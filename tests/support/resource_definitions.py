"""kubectl, and the custom resource definitions of the project, on the API server of the tests."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.kube_api_server import cached_program

DEFINITIONS = Path(__file__).parents[2] / "deploy" / "kubernetes" / "crds"
NAMES = ("modeljobs.kleveross.io", "servings.klever.dev")


@dataclass(frozen=True)
class Kubectl:
    """kubectl as a user runs it."""

    kubeconfig: Path

    async def run(self, *arguments: str, stdin: str = "", fails: bool = False) -> str:
        """Run a command. Return its output; that of a command which fails includes the errors."""
        process = await asyncio.create_subprocess_exec(
            *(str(cached_program("kubectl")), f"--kubeconfig={self.kubeconfig}", *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, errors = await process.communicate(stdin.encode())
        assert bool(process.returncode) is fails, errors.decode()
        return (out + errors if fails else out).decode()

    async def apply(self, manifest: Any, *options: str, fails: bool = False) -> str:
        """Apply an object."""
        return await self.run("apply", "-f", "-", *options, stdin=json.dumps(manifest), fails=fails)

    async def get(self, kind: str, name: str, namespace: str = "default") -> Any:
        """Return an object, or None if it does not exist."""
        text = await self.run("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text else None

    async def install_definitions(self) -> None:
        """Install the custom resource definitions, and wait until they are served."""
        await self.run("apply", "--server-side", "-f", str(DEFINITIONS))
        await self.run("wait", "--for=condition=Established", "--timeout=60s", *(f"crd/{name}" for name in NAMES))

    async def remove(self, kinds: Sequence[str] = ("servings", "modeljobs"), namespace: str = "default") -> None:
        """Remove all resources of a namespace, also those that a controller which has ended has held."""
        for kind in kinds:
            names = await self.run("get", kind, "-n", namespace, "-o", "name")
            for name in names.split():
                patch = '{"metadata":{"finalizers":null}}'
                await self.run("patch", name, "-n", namespace, "--type=merge", "-p", patch)
                await self.run("delete", name, "-n", namespace, "--ignore-not-found")
