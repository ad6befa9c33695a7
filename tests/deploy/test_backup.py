"""`klever backup`: a platform is backed up while it runs, and restored into an empty home."""

import json
from pathlib import Path

import pytest

from klever.backup.servers import temporary_client
from klever.cli.startup import find_nats_server
from klever.platform.home import Home
from kleverproto.projects import OnUnsafe, ProjectPolicy
from kleverproto.serving_changes import DeployVersion, ScaleServing
from support.commands import Shell
from support.pictures import picture, populate, prediction
from support.small_models import adder
from support.stored_messages import Message, stored_messages
from support.toolchains import toolchain_python, toolchain_store
from support.waiting import eventually
from support.whole_platform import Platform, running_platform

pytestmark = pytest.mark.timeout(900)  # the first run installs a toolchain


@pytest.fixture(scope="session")
def toolchain() -> None:
    """The toolchain of the conversion is installed."""
    toolchain_python(toolchain_store(), "onnx")


async def messages_in(platform: Platform) -> dict[str, list[Message]]:
    async with platform.jetstream() as js:
        return await stored_messages(js)


async def messages_in_home(home: Path) -> dict[str, list[Message]]:
    async with temporary_client(Home(home), find_nats_server()) as client:
        return await stored_messages(client.jetstream())


async def change_much(platform: Platform, directory: Path) -> None:
    """Changes after the backup, which must not be in the restored platform."""
    await platform.push(adder(directory / "adder-3", 3), "library/adder:v3")
    await platform.parsed("library/adder:v3")
    async with platform.client() as client:
        await client.set_policy("research", ProjectPolicy(scan=OnUnsafe.BLOCK))
        await client.delete("net")
        wanted = await client.scale("adder", ScaleServing(replicas=2))
        await client.wait_for_ready("adder", wanted.generation)
        version = await client.delete_model("research/adder:v1")
        await client.wait_for_model_deleted(version)


@pytest.mark.usefixtures("toolchain")
async def test_a_backup_of_a_running_platform_is_restored_into_an_empty_home(tmp_path: Path) -> None:
    home, restored, backup = tmp_path / "home", tmp_path / "restored", tmp_path / "klever.backup"
    home.mkdir()
    shell = Shell(home, tmp_path)
    async with running_platform(home) as platform:
        await populate(platform, shell, tmp_path)
        before = await picture(platform, shell)

        async def backed_up() -> dict[str, list[Message]] | None:
            """The messages in the backup; None if the platform has written others while it was created."""
            backup.unlink(missing_ok=True)
            messages = await messages_in(platform)
            created = json.loads(await shell.ok(f"klever backup create {backup} --json"))
            assert created == {"file": str(backup), "bytes": backup.stat().st_size}
            return messages if await messages_in(platform) == messages else None

        messages = await eventually(backed_up, within=60)
        assert backup.stat().st_mode & 0o777 == 0o600
        await change_much(platform, tmp_path)

    other = Shell(restored, tmp_path)
    assert json.loads(await other.ok(f"klever backup restore {backup} --json"))["restored"] == str(restored)
    assert await messages_in_home(restored) == messages
    assert (restored / "secrets" / "default" / "hf-token").read_text().strip() == "ci's password"
    assert (restored / "token").read_text() == (home / "token").read_text()

    async with running_platform(restored) as platform:
        await platform.healed()

        async def is_as_before() -> bool:
            now = await picture(platform, other)
            assert now == before
            return True

        await eventually(is_as_before, within=120, every=1)
        await accepts_work(platform, tmp_path)


async def accepts_work(platform: Platform, directory: Path) -> None:
    """New requests are not treated as late, and names that were used after the backup can be used again."""
    await platform.push(adder(directory / "adder-3-again", 30), "library/adder:v3")
    await platform.parsed("library/adder:v3")
    async with platform.client() as client:
        wanted = await client.deploy_version("adder", DeployVersion(model="library/adder:v3"))
        serving = await client.wait_for_ready("adder", wanted.generation)
    assert await prediction(serving) == {31.0: 1}
