"""A gateway as a process that a test can kill and restart."""

import os
import sys
from pathlib import Path

from support.processes import ServerProcess, answers, free_port


class GatewayProcess(ServerProcess):
    """`python -m klever_gateway` without authentication."""

    def __init__(self, directory: Path, nats_url: str, **settings: str) -> None:
        self.port = free_port()
        ours = {"nats_url": nats_url, "port": str(self.port), "data_dir": str(directory), "open": "true", **settings}
        env = {f"KLEVER_GATEWAY_{name.upper()}": value for name, value in ours.items()}
        directory.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "klever_gateway"]
        super().__init__(command, directory / "gateway.log", lambda: answers(self.port), env={**os.environ, **env})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"
