"""The images, built and run as docs/installation.md describes: read-only, without privileges, as a numeric user."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from support.podman.engine import Podman
from support.waiting import eventually

LARGEST = 200 * 1000**2
RESTRICTED = ("--init", "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--tmpfs=/tmp:mode=1777")
IMPORTS = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, f"{name}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
"""
NATS = ("--jetstream", "--store_dir", "/tmp/store")  # noqa: S108 - a file system of the container
SHELLS = ("sh", "bash", "apt-get", "dpkg", "pip", "pip3", "uv", "gcc", "strip", "curl", "wget")
FIND_PROGRAMS = "import shutil, sys; print([name for name in sys.argv[1:] if shutil.which(name)])"


def described(engine: Podman, image: str) -> dict[str, Any]:
    description: dict[str, Any] = json.loads(engine.run("image", "inspect", image))[0]
    return description


def python(engine: Podman, image: str, code: str, *arguments: str) -> str:
    """Runs code in a container of an image, without a network."""
    return engine.run(
        *("run", "--rm", "--network=none", "--no-healthcheck", *RESTRICTED, "--entrypoint=python", image),
        *("-P", "-c", code, *arguments),
    )


def status(engine: Podman, identity: str) -> dict[str, Any]:
    """The results of a container's health checks, which this test runs: podman needs systemd to do so."""
    health: dict[str, Any] = json.loads(engine.run("inspect", "--format={{json .State.Health}}", identity))
    return health


async def reports(engine: Podman, identity: str, problem: str) -> bool:
    """Returns whether the last health check of a container printed a problem."""
    engine.run("healthcheck", "run", identity, check=False)
    return problem in status(engine, identity)["Log"][-1]["Output"]


@contextmanager
def container(
    engine: Podman, image: str, *options: str, network: str = "none", command: tuple[str, ...] = ()
) -> Iterator[str]:
    """Runs a container; yields its id."""
    identity = engine.run("run", "--detach", f"--network={network}", *RESTRICTED, *options, image, *command).strip()
    try:
        yield identity
    finally:
        engine.run("rm", "--force", "--time=10", identity)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["registry", "gateway"])
def test_image_of_a_service_is_small_labelled_and_has_no_tools(
    name: str, engine: Podman, build: Callable[[str], str]
) -> None:
    image = build(name)
    description = described(engine, image)
    config, labels = description["Config"], description["Labels"]
    assert description["Size"] < LARGEST
    assert config["User"] == "65532:65532"
    assert description["Healthcheck"]["Test"][:4] == ["CMD", "python", "-P", "-m"]
    assert labels["org.opencontainers.image.version"] == "test"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert len(labels["org.opencontainers.image.revision"]) == 40
    assert python(engine, image, FIND_PROGRAMS, *SHELLS) == "[]\n"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["registry", "gateway"])
def test_image_has_all_that_its_service_imports_and_lists_it(
    name: str, engine: Podman, build: Callable[[str], str]
) -> None:
    image = build(name)
    python(engine, image, IMPORTS, f"klever_{name}", "kleverproto")
    bill = json.loads(python(engine, image, "print(open('/opt/klever/sbom.cdx.json').read())"))
    assert bill["bomFormat"] == "CycloneDX"
    listed = {component["name"] for component in bill["components"]}
    installed = "from importlib.metadata import distributions as d; print(*{each.name for each in d()})"
    assert {each.lower().replace("_", "-") for each in python(engine, image, installed).split()} - {
        each.lower().replace("_", "-").replace(".", "-") for each in listed
    } <= {f"klever-{name}"}


@pytest.mark.timeout(900)
def test_image_of_a_family_has_the_packages_of_its_toolchain(engine: Podman, build: Callable[[str], str]) -> None:
    image = build("kleverserve-openvino")
    python(engine, image, "import kleverserve.app, kleverserve.adapters.openvino_model")
    bill = json.loads(python(engine, image, "print(open('/opt/klever/sbom.cdx.json').read())"))
    assert {"kleverserve", "openvino", "aiohttp"} <= {component["name"] for component in bill["components"]}


@pytest.mark.timeout(900)
async def test_registry_becomes_healthy_with_a_read_only_root_file_system(
    engine: Podman, build: Callable[[str], str], nats_image: str
) -> None:
    settings = {"HOST": "127.0.0.1", "OPEN": "1"}
    options = [f"--env=KLEVER_REGISTRY_{key}={value}" for key, value in settings.items()]
    with container(engine, build("registry"), *options, "--volume=klever:/var/lib/klever") as registry:

        async def is_healthy() -> bool:
            engine.run("healthcheck", "run", registry, check=False)
            return bool(status(engine, registry)["FailingStreak"] == 0)

        await eventually(lambda: reports(engine, registry, "NATS cannot be reached"), within=60, every=0.5)
        with container(engine, nats_image, "--workdir=/tmp", network=f"container:{registry}", command=NATS):
            await eventually(is_healthy, within=60, every=0.5)
