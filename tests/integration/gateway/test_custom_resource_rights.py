"""The rights of the gateway's ServiceAccount are sufficient for custom resources, and no more."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kleverproto.jobs import JobPhase
from support.custom_definitions import PLATFORM_DIRECTORY, install_platform
from support.custom_resource_users import delete_job, model_job, run_job, serving, until
from support.gateway import Owner, owner_at, running_gateway, version_document
from support.kubectl import Kubectl
from support.nats_server import NatsServer

pytestmark = pytest.mark.api_server

ACCOUNT = "system:serviceaccount:klever:klever-gateway"
RIGHTS = PLATFORM_DIRECTORY.parent / "custom-resources-rbac.yaml"


@pytest.fixture
async def kubectl(kubeconfig: Path) -> Kubectl:
    kubectl = Kubectl(kubeconfig)
    await install_platform(kubectl)
    if await kubectl.get("namespace", "klever") is None:
        await kubectl.run("create", "namespace", "klever")
    if await kubectl.get("serviceaccount", "klever-gateway", "klever") is None:
        await kubectl.run("create", "serviceaccount", "klever-gateway", "-n", "klever")
    await kubectl.run("apply", "-f", str(RIGHTS))
    return kubectl


@pytest.fixture
async def owner(own_nats: NatsServer) -> AsyncIterator[Owner]:
    async with owner_at(own_nats.url) as owner:
        await owner.version(version_document())
        yield owner


async def kubeconfig_of_account(kubectl: Kubectl, directory: Path) -> Path:
    config: dict[str, Any] = yaml.safe_load(kubectl.kubeconfig.read_text())
    token = (await kubectl.run("create", "token", "klever-gateway", "-n", "klever")).strip()
    config["users"][0]["user"] = {"token": token}
    path = directory / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


async def test_account_of_the_gateway_reconciles_resources(
    kubectl: Kubectl, own_nats: NatsServer, owner: Owner, tmp_path: Path
) -> None:
    credentials = await kubeconfig_of_account(kubectl, tmp_path)
    options: dict[str, Any] = {"custom_resources": True, "kubeconfig": credentials, "mirror_jobs": True}
    async with running_gateway(own_nats.url, tmp_path / "gateway", **options) as gateway:
        await kubectl.apply(serving())
        await until(kubectl, "serving", "iris", "Synced", "Accepted")
        await kubectl.apply(model_job(scan={}))
        await until(kubectl, "modeljob", "job", "Synced", "Accepted")
        answer = await gateway.send("POST", "/namespaces/default/modeljobs", json={"ref": "library/iris:v1"})
        job = await run_job(owner, phase=JobPhase.RUNNING)
        assert job.id == answer.json()["id"]
        await until(kubectl, "modeljob", job.id, "Ready", "Running")
        await delete_job(owner, job)
        await kubectl.run("wait", "--for=delete", f"modeljob/{job.id}", "--timeout=30s")
        events = await kubectl.run("get", "events", "-o", "jsonpath={.items[*].involvedObject.name}")
        assert {"iris", "job"} <= set(events.split())


@pytest.mark.parametrize(
    "right",
    [
        ("get", "secrets"),
        ("list", "pods"),
        ("create", "servings.klever.dev"),
        ("delete", "servings.klever.dev"),
        ("update", "modeljobs.kleveross.io"),
        ("delete", "events"),
        ("patch", "customresourcedefinitions.apiextensions.k8s.io"),
    ],
)
async def test_account_of_the_gateway_has_no_other_rights(kubectl: Kubectl, right: tuple[str, str]) -> None:
    answer = await kubectl.run("auth", "can-i", *right, f"--as={ACCOUNT}", "-n", "default", fails=True)
    assert answer.split()[0] == "no"
