"""docker-compose.yaml for real, with podman: the README's tutorial, crashes, and a restart with the data."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from support.doc_pages import Block, blocks_of, shows
from support.nats_server import binary
from support.net_namespace import net_namespace
from support.podman.bases import program_image
from support.podman.compose import HEALTH_CHECKED, Compose
from support.podman.engine import Podman
from support.waiting import eventually

ROOT = Path(__file__).parents[2]
SERVICES = ("klever", "registry", "gateway")
"""The images of the project, by their names in tools/images.py."""
PREDICT = "klever predict mymodel --input 'x=[[5.9, 3.0, 5.1, 1.8]]'"
DIGEST = "klever models get library/mymodel:v1 | grep digest"
PUSH = "ormb save mymodel localhost:9500/library/mymodel:v3 && ormb push localhost:9500/library/mymodel:v3"
ASK_PROMETHEUS = """
import urllib.request as http
print(http.urlopen("http://prometheus:9090/api/v1/query?query=up").read().decode())
"""
TAGS = "curl --fail --silent localhost:9500/v2/library/mymodel/tags/list"


def tutorial() -> list[Block]:
    """The commands of the README's tutorial that follow `klever up`."""
    page = (ROOT / "README.md").read_text()
    start = page.index("## Tutorial")
    blocks = blocks_of(page[start : page.index("## What works today")])
    assert blocks[0].marker == "terminal"
    return [block for block in blocks[1:] if block.is_run]


@pytest_asyncio.fixture
async def compose(
    engine: Podman, build: Callable[[str], str], nats_image: str, tmp_path: Path
) -> AsyncIterator[Compose]:
    images = [build(name) for name in SERVICES]
    image, _, version = images[0].rpartition(":")
    variables = {
        "KLEVER_REPOSITORY": image.rpartition("/")[0],
        "KLEVER_VERSION": version,
        "NATS_IMAGE": nats_image,
        "PROMETHEUS_IMAGE": program_image(engine, Path(binary("prometheus"))),
    }
    async with net_namespace() as namespace:
        if namespace is None:
            pytest.skip("SKIPPED: no network namespace can be made here, and the project publishes the default ports")
        project = Compose(engine, namespace, ROOT / "docker-compose.yaml", variables, tmp_path)
        try:
            yield project
        finally:
            await project.run("--profile", "observability", "down", "--volumes", "--timeout", "10")


async def log_in(compose: Compose) -> None:
    """Runs the command of docs/installation.md that logs the user in."""
    output = await compose.run("--profile", "commands", "run", "--rm", "-T", "login")
    script = output[output.index("export KLEVER_SERVER") :]
    code, shown = await compose.shell(f'{script}printf "\\n%s\\n%s\\n" "$KLEVER_SERVER" "$KLEVER_TOKEN"')
    assert code == 0, shown
    compose.logins["KLEVER_SERVER"], compose.logins["KLEVER_TOKEN"] = shown.splitlines()[-2:]


async def follow(compose: Compose, block: Block) -> None:
    """Runs a block as a reader does, and compares its output."""
    code, output = await compose.shell(block.text)
    assert code == 0, f"README.md, {block.text}:\n{output}"
    assert block.output is None or shows(output, block.output), output


async def succeeds(compose: Compose, script: str) -> bool:
    code, output = await compose.shell(script)
    assert code == 0, output
    return True


async def scrapes_all(compose: Compose) -> bool:
    """Returns whether Prometheus scrapes each service; it is asked from the container of another service."""
    output = await compose.podman("exec", compose.container("gateway"), "python", "-P", "-c", ASK_PROMETHEUS)
    states = {each["metric"]["job"]: each["value"][1] for each in json.loads(output)["data"]["result"]}
    assert states == {f"klever-{name}": "1" for name in (*HEALTH_CHECKED, "ingress")}
    return True


async def is_healthy(compose: Compose) -> bool:
    assert await compose.unhealthy() == {}
    return True


@pytest.mark.timeout(1800)
async def test_tutorial_works_and_servings_survive_crashes_and_a_restart(compose: Compose) -> None:
    await compose.up()
    await eventually(lambda: is_healthy(compose), within=180, every=1)
    await log_in(compose)
    for block in tutorial():
        await follow(compose, block)
    assert "Error in sitecustomize" not in await compose.podman("logs", compose.container("jobrunner"))

    await compose.run("--profile", "observability", "up", "--detach", "--no-deps", "prometheus")
    await eventually(lambda: scrapes_all(compose), within=60, every=1)

    await succeeds(compose, "klever deploy library/mymodel:v1 --name mymodel")
    _, digest = await compose.shell(DIGEST)
    for service in ("deployer", "registry", "nats"):
        await compose.kill(service)
        await eventually(lambda: is_healthy(compose), within=180, every=1)
        await eventually(lambda: succeeds(compose, PREDICT), within=180, every=1)

    await compose.run("--profile", "observability", "down", "--timeout", "20")
    compose.variables.update(GATEWAY_PORT="9080", REGISTRY_PORT="9500", INGRESS_PORT="9081")
    await compose.up()
    await eventually(lambda: is_healthy(compose), within=180, every=1)
    await log_in(compose)
    await eventually(lambda: succeeds(compose, PREDICT), within=180, every=1)
    assert await compose.shell(DIGEST) == (0, digest)

    await succeeds(compose, PUSH)
    assert (await compose.shell(TAGS))[0] != 0
    await compose.run(
        "--profile", "commands", "run", "--rm", "-T", "klever", *["registry", "account", "anonymous", "*"]
    )
    await eventually(lambda: succeeds(compose, TAGS), within=30, every=0.5)
