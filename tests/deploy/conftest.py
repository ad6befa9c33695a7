"""Podman with the base images, for the session."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.nats_server import binary
from support.podman.bases import base_images, program_image
from support.podman.engine import Podman, missing, podman

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import images  # noqa: E402

REGISTRY = "localhost/klever"
VERSION = "test"

Build = Callable[[str], str]
"""Builds the image with a name of tools/images.py; returns its name with the tag."""


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    if reason := missing():
        pytest.skip(f"SKIPPED: images are not built on this machine: {reason}")
    with podman(tmp_path_factory.mktemp("podman")) as engine:
        yield engine


@pytest.fixture(scope="session")
def build(engine: Podman) -> Build:
    """Builds images as `task images` does, once."""
    bases = base_images(engine)
    built: dict[str, str] = {}

    def image(name: str) -> str:
        if name not in built:
            options = ["--engine=podman", f"--registry={REGISTRY}", f"--version={VERSION}", "--network=host"]
            command = [sys.executable, "tools/images.py", name, *options]
            environment = engine.environment | bases
            completed = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
            assert completed.returncode == 0, completed.stdout[-2000:] + completed.stderr[-4000:]
            built[name] = f"{REGISTRY}/{images.IMAGES[name].repository}:{VERSION}"
        return built[name]

    return image


@pytest.fixture(scope="session")
def nats_image(engine: Podman) -> str:
    """An image of NATS, with the program that the platform uses on one machine."""
    return program_image(engine, Path(binary("nats-server")))
