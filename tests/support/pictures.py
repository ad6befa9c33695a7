"""The state of a platform as its users see it, to compare it before and after a loss or a restoration."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from klever import accounts
from klever.platform.home import Home
from kleverproto.projects import OnUnsafe, ProjectPolicy
from kleverproto.serving_changes import DeployVersion
from kleverproto.servings import ServingDocument
from support import caffe_models
from support.commands import Shell
from support.constant_load import Load
from support.small_models import adder
from support.whole_platform import Platform

FLOAT = 1
NET_REQUEST = {"inputs": [{"name": "data", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}


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
    """Push models, one of which must be converted, serve two, and set policies, accounts and secrets."""
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
