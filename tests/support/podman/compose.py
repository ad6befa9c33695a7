"""A compose project that runs with podman, in a network where every port is free."""

import asyncio
import os
import shutil
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

from support.net_namespace import NetNamespace

from .engine import Podman

HEALTH_CHECKED = ("topology", "registry", "jobrunner", "deployer", "gateway")


@dataclass(frozen=True)
class Compose:
    """A project.

    Attributes:
        engine: runs its containers.
        namespace: the network of the host in which it runs.
        file: the compose file.
        variables: of the file.
        home: home directory of the user who types commands.
    """

    engine: Podman
    namespace: NetNamespace
    file: Path
    variables: dict[str, str]
    home: Path
    logins: dict[str, str] = field(default_factory=dict)
    """Variables that log the user in."""

    async def shell(self, script: str) -> tuple[int, str]:
        """Runs a script of the user on the host; returns its exit code and its output with its errors."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("KLEVER_", "ORMB_", "XDG_"))}
        own = {"HOME": str(self.home), "KLEVER_HOME": str(self.home / "klever"), **self.logins}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        bash = shutil.which("bash") or "bash"
        return await self._run(bash, "-euo", "pipefail", "-c", script, environment={**kept, **own, "PATH": path})

    async def run(self, *arguments: str) -> str:
        """Runs a command of podman-compose; returns its output."""
        program = str(Path(sys.executable).parent / "podman-compose")
        environment = {**self.engine.environment, **self.variables}
        code, output = await self._run(program, "--file", str(self.file), *arguments, environment=environment)
        assert code == 0, output[-4000:]
        return output

    async def podman(self, *arguments: str, check: bool = True) -> str:
        """Runs a command of podman in the network of the project; returns its output."""
        code, output = await self._run("podman", *arguments, environment=self.engine.environment)
        assert code == 0 or not check, output[-4000:]
        return output

    async def up(self) -> None:
        """Starts the containers.

        The one that exits is started first, and without podman's own dependencies: otherwise, podman restarts no
        container that needs one that has exited.
        """
        await self.run("up", "--detach", "--no-deps", "credentials")
        assert (await self.podman("wait", self.container("credentials"))).strip() == "0"
        await self.run("up", "--detach", "--no-deps")

    async def unhealthy(self) -> dict[str, str]:
        """Runs the health checks, as systemd does; returns the problems of those that fail, by service."""
        problems = {}
        for service in HEALTH_CHECKED:
            name, environment = self.container(service), self.engine.environment
            code, output = await self._run("podman", "healthcheck", "run", name, environment=environment)
            if code:
                health = await self.podman("inspect", "--format={{json .State.Health}}", name, check=False)
                problems[service] = output + health
        return problems

    async def kill(self, service: str) -> None:
        """Kills the processes of a service, as a crash does."""
        pid = await self.podman("inspect", "--format={{.State.Pid}}", self.container(service))
        os.kill(int(pid), signal.SIGKILL)

    def container(self, service: str) -> str:
        """The name of a service's container."""
        return f"klever_{service}_1"

    async def _run(self, *command: str, environment: dict[str, str]) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *self.namespace.command(*command),
            cwd=self.home,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode()
