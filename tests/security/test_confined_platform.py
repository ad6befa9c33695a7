"""A trusted model that attacks: the parts of its platform that it reaches."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from klever.client import KleverClient
from kleverproto.serving_specs import ServingSpec
from support.sandbox_servers import ATTACKER, attacked
from support.waiting import eventually
from support.whole_platform import Platform, running_platform


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[Platform]:
    home = tmp_path / "home"
    home.mkdir()
    async with running_platform(home, KLEVER_ALLOW_COMMANDS="1") as running:
        (tmp_path / "canary").write_text("canary")
        await running.push(_model(tmp_path / "attacker"), "library/attacker:v1")
        yield running


def _model(directory: Path) -> Path:
    (directory / "model").mkdir(parents=True)
    (directory / "model" / "server.py").write_text(ATTACKER)
    (directory / "ormbfile.yaml").write_text("format: Others\n")
    return directory


async def served(client: KleverClient, platform: Platform, **changes: Any) -> str:
    """The URL of the attacker, which knows all addresses and paths."""
    environment = {
        "CANARY": str(platform.home.parent / "canary"),
        "TOKEN": str(platform.home / "token"),
        "NATS": platform.urls["nats"].rpartition(":")[2],
        "GATEWAY": platform.urls["api"].rpartition(":")[2],
        "DEPLOYER": str(platform.pid("deployer")),
    }
    custom = {"command": [sys.executable, "$MODEL_DIR/server.py"]}
    variant = {"name": "v1", "model": "library/attacker:v1", "custom": custom, "env": environment, **changes}
    wanted = await client.apply("attacker", ServingSpec.model_validate({"variants": [variant]}))
    document = await client.wait_for_ready("attacker", wanted.generation)
    return document.status.url or ""


async def test_a_custom_server_reaches_no_part_of_the_platform(platform: Platform) -> None:
    async with platform.client() as client:
        answers = await attacked(await served(client, platform))
        document = await client.serving("attacker")

    assert answers == dict.fromkeys(answers, "refused") | {
        "its own model": "reached",
        "its own home": "reached",
    }
    assert {"the canary", "the token of the gateway", "NATS", "the gateway", "the deployer"} <= answers.keys()
    assert document is not None
    assert document.status.variants[0].sandbox.startswith("Landlock ABI ")
    assert document.status.variants[0].sandbox.endswith("network: none")


async def test_the_egress_option_allows_the_network_and_no_files(platform: Platform) -> None:
    async with platform.client() as client:
        answers = await attacked(await served(client, platform, network="egress"))
        document = await client.serving("attacker")

    assert (answers["the gateway"], answers["the canary"]) == ("reached", "refused")
    assert answers["the token of the gateway"] == "refused"
    assert document is not None
    assert document.status.variants[0].sandbox.endswith("network: egress")


async def test_a_home_is_private_to_its_server_and_removed_with_it(platform: Platform) -> None:
    homes = platform.home / "deployer" / "workloads" / "homes"
    async with platform.client() as client:
        await attacked(await served(client, platform))
        [home] = homes.iterdir()
        assert (home / "written").read_text() == "x"
        assert home.stat().st_mode & 0o777 == 0o700
        await client.delete("attacker")

        async def is_gone() -> bool:
            return list(homes.iterdir()) == []

        await eventually(is_gone, within=30)
