"""`klever backup`: a platform is backed up while it runs, and restored into an empty home."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from klever import accounts
from klever.backup.servers import temporary_client
from klever.cli.startup import find_nats_server
from klever.platform.home import Home
from kleverproto.projects import OnUnsafe, ProjectPolicy
from kleverproto.serving_changes import DeployVersion, ScaleServing
from kleverproto.servings import ServingDocument
from support import caffe_models
from support.commands import Shell
from support.constant_load import Load
from support.small_models import adder
from support.stored_messages import Message, stored_messages
from support.toolchains import toolchain_python, toolchain_store
from support.waiting import eventually
from support.whole_platform import Platform, running_platform

pytestmark = pytest.mark.timeout(900)  # the first run installs a toolchain

FLOAT = 1
NET_REQUEST = {"inputs": [{"name": "data", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}


@pytest.fixture(scope="session")
def toolchain() -> None:
    """The toolchain of the conversion is installed."""
    toolchain_python(toolchain_store(), "onnx")


def net(directory: Path) -> Path:
    """A net of Caffe2, which is converted to ONNX before it is served."""
    model = directory / "model"
    model.mkdir(parents=True)
    (model / "init_net.pb").write_bytes(caffe_models.init_net())
    (model / "predict_net.pb").write_bytes(caffe_models.predict_net())
    (model / "value_info.json").write_text(json.dumps({"data": [FLOAT, [1, 4]]}))
    return directory


@dataclass(frozen=True)
class Picture:
    """The state of a platform as users see it, without its addresses and measurements."""

    tags: dict[str, str]
    """Digests of manifests by reference, as the registry reports them."""
    models: dict[str, Any]
    jobs: dict[str, Any]
    servings: dict[str, Any]
    policies: dict[str, ProjectPolicy]
    predictions: dict[str, Any]
    accounts: Any


async def picture(platform: Platform, shell: Shell) -> Picture:
    async with platform.client() as client:
        models = {str(model.spec.ref): model for model in await client.models()}
        jobs = {job.id: job for job in await client.jobs()}
        servings = await client.servings()
        policies = {project: await client.policy(project) for project in ("library", "research")}
    return Picture(
        tags={ref: await digest_of_tag(platform, ref) for ref in models},
        models={
            ref: model.model_dump(mode="json", exclude={"spec": {"registry"}, "updated_at": True})
            for ref, model in models.items()
        },
        jobs={job_id: (job.spec.kind, job.spec.digest, job.status.phase) for job_id, job in jobs.items()},
        servings={f"{each.namespace}/{each.name}": lasting(each) for each in servings},
        policies=policies,
        predictions={each.name: await prediction(each) for each in servings},
        accounts=json.loads(await shell.ok("klever registry account list --json")),
    )


def lasting(serving: ServingDocument) -> Any:
    """The part of a serving that does not depend on the process that serves it."""
    revisions = [(each.generation, each.spec) for each in serving.status.revisions]
    return serving.generation, serving.spec, serving.created_at, serving.status.phase, revisions


async def digest_of_tag(platform: Platform, ref: str) -> str:
    repository, tag = ref.rsplit(":", 1)
    url = f"{platform.urls['registry']}/v2/{repository}/manifests/{tag}"
    headers = platform.registry_login | {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        assert response.status == 200
        return response.headers["Docker-Content-Digest"]


async def prediction(serving: ServingDocument) -> Any:
    url = serving.status.url or ""
    async with aiohttp.ClientSession() as session:
        if serving.name == "net":
            async with session.post(url, json=NET_REQUEST) as response:
                return (await response.json(content_type=None))["outputs"]
        load = Load()
        await load.ask(session, url)
        return dict(load.answers)


async def populate(platform: Platform, shell: Shell, directory: Path) -> None:
    for number in (1, 2):
        await platform.push(adder(directory / f"adder-{number}", number), f"library/adder:v{number}")
    await platform.push(adder(directory / "other", 7), "research/adder:v1")
    await platform.push(net(directory / "net"), "library/net:v1")
    for ref in ("library/adder:v1", "library/adder:v2", "research/adder:v1", "library/net:v1"):
        await platform.parsed(ref)
    password = directory / "password"
    password.write_text("ci's password\n")
    await shell.ok(f"klever secrets set hf-token --from-file {password}")
    accounts.add(Home(platform.home).accounts, "ci", "ci's password", pull=("*",), push=("library",))
    async with platform.client() as client:
        await client.set_policy("research", ProjectPolicy(scan=OnUnsafe.WARN))
        for change in (DeployVersion(model="library/adder:v1"), DeployVersion(model="library/adder:v2")):
            wanted = await client.deploy_version("adder", change)
            await client.wait_for_ready("adder", wanted.generation)
        wanted = await client.deploy_version("net", DeployVersion(model="library/net:v1"))
        await client.wait_for_ready("net", wanted.generation)


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
