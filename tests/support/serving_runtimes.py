"""Model servers in the environments of their toolchains, as the deployer starts them."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from klever_deployer.adapters.local.launcher import server_packages
from kleverserve.readiness import is_ready
from support import toolchains
from support.processes import ServerProcess, free_port

PROGRAMS = Path(__file__).parents[1] / "serving" / "programs"
PACKAGES = server_packages()
SERVER_PATH = os.pathsep.join(str(package.parent) for package in PACKAGES)
"""A PYTHONPATH of directories with only the packages of the model server."""
HOST = "127.0.0.1"
MODEL = "m"
VERSION = "v1"
START_SECONDS = 60.0


def toolchain_python(name: str) -> Path:
    """The Python of a toolchain, which is installed if it is missing; skips the test if that fails."""
    return toolchains.toolchain_python(toolchains.toolchain_store(), name)


def run_program(python: Path, program: str, *arguments: str | Path) -> str:
    """Return the output of one of `tests/serving/programs`."""
    command = [python, PROGRAMS / f"{program}.py", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@dataclass
class Runtime:
    """A model server: its module of kleverserve, in the Python of its toolchain."""

    module: str
    python: Path
    logs: Path
    extra: dict[str, str] = field(default_factory=dict)
    """Additional environment variables."""
    has_grpc: bool = True

    def command(self, directory: Path, model_format: str, *extra: str) -> list[str]:
        """The command with which the deployer starts it."""
        about = ["--model-dir", str(directory), "--format", model_format, "--name", MODEL, "--version", VERSION]
        return [str(self.python), "-m", self.module, *about, "--host", HOST, *extra]

    @property
    def environment(self) -> dict[str, str]:
        """The environment with the model server as plain directories, which is how it gets into toolchains."""
        return {**os.environ, "PYTHONPATH": SERVER_PATH, **self.extra}

    def run_to_the_end(self, directory: Path, model_format: str, *extra: str) -> subprocess.CompletedProcess[str]:
        """Run a server that is expected to exit."""
        command = self.command(directory, model_format, *extra)
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=START_SECONDS, check=False
        )

    @contextmanager
    def serving(self, directory: Path, model_format: str, *extra: str) -> Iterator["Served"]:
        """A server that is ready. It is killed at the end with its child processes if it still runs."""
        port, grpc_port = free_port(), free_port()
        grpc = ("--grpc-port", str(grpc_port)) if self.has_grpc else ()
        options = ("--port", str(port), *grpc, *extra)
        server = ServerProcess(
            self.command(directory, model_format, *options),
            log=self.logs / f"{port}.log",
            is_ready=lambda: is_ready(HOST, port, MODEL),
            env=self.environment,
        )
        server.start(within=START_SECONDS)
        assert server.process is not None
        served = Served(server.process, port, grpc_port, self.python, server.log)
        family = served.family()
        try:
            yield served
        finally:
            server.stop()
            for process in family:
                if process.is_running():
                    process.kill()


@dataclass
class Served:
    """A running server of the model `m`, version `v1`."""

    process: subprocess.Popen[bytes]
    port: int
    grpc_port: int
    python: Path
    log: Path

    @property
    def url(self) -> str:
        """The URL of the model."""
        return f"http://{HOST}:{self.port}/v2/models/{MODEL}"

    def family(self) -> list[psutil.Process]:
        """The process and its descendants."""
        first = psutil.Process(self.process.pid)
        return [first, *first.children(recursive=True)]

    def busy_seconds(self) -> float:
        """CPU seconds that all of them have used so far."""
        return float(sum(process.cpu_times().user for process in self.family()))

    async def metadata(self) -> dict[str, Any]:
        """The model's metadata."""
        return await self.get("")

    async def get(self, path: str) -> dict[str, Any]:
        """Return the server's answer for a path below that of the model."""
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as response:
            assert response.status == 200, await response.text()
            document: dict[str, Any] = await response.json()
            return document

    async def infer(self, *inputs: dict[str, Any], outputs: Sequence[str] = ()) -> tuple[int, dict[str, Any]]:
        """Return status and body of the REST answer."""
        request: dict[str, Any] = {"inputs": list(inputs)}
        if outputs:
            request["outputs"] = [{"name": name} for name in outputs]
        async with aiohttp.ClientSession() as session, session.post(f"{self.url}/infer", json=request) as response:
            return response.status, json.loads(await response.text())  # Triton declares errors as text

    def infer_by_grpc(self, *inputs: dict[str, Any]) -> dict[str, Any]:
        """Outputs by name, each with its shape and flat data, from Triton's own client."""
        printed = run_program(self.python, "grpc_infer", f"{HOST}:{self.grpc_port}", MODEL, json.dumps(inputs))
        answer: dict[str, Any] = json.loads(printed)
        return answer
