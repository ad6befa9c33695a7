"""Tests share an API server, and none sees what another one has left."""

import asyncio
import json
from pathlib import Path

import pytest

from kleverproto.custom_resources import FINALIZER
from support.custom_definitions import install_platform
from support.custom_resource_users import serving
from support.kube_cleanup import delete_leftovers
from support.kubectl import Kubectl
from support.waiting import eventually

pytestmark = pytest.mark.api_server

NAMESPACE = "kserve-of-a-team"
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "left", "namespace": NAMESPACE},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "left"}},
        "template": {
            "metadata": {"labels": {"app": "left"}},
            "spec": {"containers": [{"name": "main", "image": "none"}]},
        },
    },
}
KINDS = "deployments,replicasets,pods,events,resourcequotas,secrets,servings"


async def test_leftovers_of_every_kind_are_deleted(kubeconfig: Path) -> None:
    kubectl = Kubectl(kubeconfig)
    await install_platform(kubectl)
    await kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    held = serving()
    held["metadata"] |= {"finalizers": [FINALIZER], "namespace": NAMESPACE}
    for each in (DEPLOYMENT, held):
        await kubectl.apply(each)
    await kubectl.run("create", "quota", "left", "--hard=secrets=9", "-n", NAMESPACE)
    await kubectl.run("create", "secret", "generic", "left", "-n", NAMESPACE)

    async def left(kinds: str = KINDS) -> list[str]:
        listed = json.loads(await kubectl.run("get", kinds, "-n", NAMESPACE, "-o", "json"))
        return [each["kind"] for each in listed["items"]]

    async def all_exist() -> bool:
        return set(await left()) >= {"Pod", "Event", "ResourceQuota", "Secret", "Serving"}

    await eventually(all_exist, within=30)
    await asyncio.to_thread(delete_leftovers, kubeconfig)
    assert await left(KINDS.replace("events,", "")) == []  # controllers report deletions as events
