"""Podman with storage of its own, so that nothing of the user's images and containers is touched."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

STORAGE = """[storage]
driver = "overlay"
graphroot = "{directory}/storage"
runroot = "{directory}/run"
"""
CONTAINERS = """[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
runtime = "runc"
tmp_dir = "{directory}/tmp"
[network]
network_backend = "netavark"
network_config_dir = "{directory}/networks"
"""
"""runc, because Debian's crun refuses hybrid control groups; limits that a container of a test can have."""
PACKAGES = ("podman", "runc", "catatonit", "netavark", "aardvark-dns", "debootstrap", "prometheus")
"""Debian's packages with the programs."""
PROGRAMS = (
    "podman",
    "runc",
    "conmon",
    "catatonit",
    "debootstrap",
    "prometheus",
    "/usr/lib/podman/netavark",
    "/usr/lib/podman/aardvark-dns",
)


def missing() -> str | None:
    """The reason why this machine cannot run podman for tests, or None."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "containers of tests need root on Linux"
    names = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"{', '.join(names)} not installed: apt-get install {' '.join(PACKAGES)}" if names else None


@dataclass(frozen=True)
class Podman:
    """The engine.

    Attributes:
        directory: its images, containers and configuration.
    """

    directory: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which `podman` uses this storage."""
        own = {
            "CONTAINERS_CONF": str(self.directory / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.directory / "storage.conf"),
            "TMPDIR": str(self.directory / "temporary"),
        }
        return {**os.environ, **own}

    def configure(self) -> None:
        """Writes the configuration."""
        (self.directory / "temporary").mkdir()
        (self.directory / "storage.conf").write_text(STORAGE.format(directory=self.directory))
        (self.directory / "containers.conf").write_text(CONTAINERS.format(directory=self.directory))

    def run(self, *arguments: str, check: bool = True) -> str:
        """Runs a command; returns its standard output."""
        command = ["podman", *arguments]
        completed = subprocess.run(command, check=False, capture_output=True, text=True, env=self.environment)
        assert completed.returncode == 0 or not check, f"{command}: {completed.stderr}"
        return completed.stdout

    def import_image(self, archive: Path, name: str) -> str:
        """Creates an image from the archive of a file system; returns its name."""
        self.run("import", "--quiet", str(archive), name)
        return name


@contextmanager
def podman(directory: Path) -> Iterator[Podman]:
    """An engine; its containers, networks and images are removed at the end."""
    engine = Podman(directory)
    engine.configure()
    try:
        yield engine
    finally:
        engine.run("system", "reset", "--force", check=False)
