"""kubectl with the kubeconfig of an API server of the tests."""

import asyncio
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.cluster.polling import wait_until
from support.kube_api_server import cached_program


def run_kubectl(kubeconfig: Path, *arguments: str, stdin: str = "") -> str:
    """Runs a command, and returns its output. Raises CalledProcessError; the errors are part of the test's output."""
    command = _command(kubeconfig, arguments)
    return subprocess.run(command, check=True, input=stdin, text=True, stdout=subprocess.PIPE).stdout


def wait_until_served(kubeconfig: Path, *definitions: str) -> None:
    """Waits until the API server serves the objects of definitions: `kubectl wait` fails for one without a status."""

    def are_served() -> bool:
        try:
            run_kubectl(kubeconfig, "get", ",".join(definitions))
        except subprocess.CalledProcessError:
            return False
        return True

    assert wait_until(are_served, within=60), f"not served: {definitions}"


@dataclass(frozen=True)
class Kubectl:
    """kubectl as a user runs it."""

    kubeconfig: Path

    async def run(self, *arguments: str, stdin: str = "", fails: bool = False) -> str:
        """Run a command. Return its output; that of a command which fails includes the errors."""
        process = await asyncio.create_subprocess_exec(
            *_command(self.kubeconfig, arguments),
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


def _command(kubeconfig: Path, arguments: tuple[str, ...]) -> list[str]:
    """A command line with a cache of its own: the user's may be that of an earlier server at the same port."""
    cache = kubeconfig.parent / "kubectl-cache"
    return [str(cached_program("kubectl")), f"--kubeconfig={kubeconfig}", f"--cache-dir={cache}", *arguments]
