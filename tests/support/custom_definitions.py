"""CustomResourceDefinitions that tests install in an API server."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from kubernetes_asyncio.client import ApiClient, ApiException, ApiextensionsV1Api, CustomObjectsApi

from support.kubectl import Kubectl, wait_until_served
from support.waiting import eventually

NOT_FOUND = 404
PLATFORM_DIRECTORY = Path(__file__).parents[2] / "deploy" / "kubernetes" / "crds"
PLATFORM_NAMES = ("modeljobs.kleveross.io", "servings.klever.dev")
STORED = Path(__file__).parents[1] / "data" / "crds"
Definition = Any
"""The client takes a dictionary as well as its own class, but does not declare it."""


def _accepting_all(group: str, kind: str, plural: str) -> Definition:
    """The definition of a kind whose schema accepts every field, for a server that has no data plane."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": kind, "plural": plural, "singular": kind.lower()}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    annotations = {"api-approved.kubernetes.io": "unapproved, tests only"}
    return {"metadata": {"name": f"{plural}.{group}", "annotations": annotations}, "spec": spec}


ISTIO = (
    _accepting_all("networking.istio.io", "VirtualService", "virtualservices"),
    _accepting_all("networking.istio.io", "DestinationRule", "destinationrules"),
)
GATEWAY_API = (_accepting_all("gateway.networking.k8s.io", "HTTPRoute", "httproutes"),)


def seldon() -> Definition:
    """The definition of Seldon Core v1.17.1."""
    return yaml.load((STORED / "seldondeployments.yaml").read_text(), yaml.CSafeLoader)


async def install(client: ApiClient, *definitions: Definition) -> None:
    """Create definitions unless they exist, and wait until their objects are served."""
    extensions = ApiextensionsV1Api(client)
    present = {each.metadata.name for each in (await extensions.list_custom_resource_definition()).items}
    for each in definitions:
        if each["metadata"]["name"] not in present:
            await extensions.create_custom_resource_definition(each)
    for each in definitions:
        await eventually(partial(_is_served, client, each["spec"]), within=30)


async def uninstall(client: ApiClient, *definitions: Definition) -> None:
    """Delete definitions with all objects, and wait until these are not served any more."""
    for each in definitions:
        await ApiextensionsV1Api(client).delete_custom_resource_definition(each["metadata"]["name"])

    async def are_gone() -> bool:
        return not any([await _is_served(client, each["spec"]) for each in definitions])

    await eventually(are_gone, within=60)


async def install_platform(kubectl: Kubectl) -> None:
    """Install the definitions of the platform as a user does, and wait until their objects are served."""
    await kubectl.run("apply", "--server-side", "-f", str(PLATFORM_DIRECTORY))
    await asyncio.to_thread(wait_until_served, kubectl.kubeconfig, *PLATFORM_NAMES)


async def _is_served(client: ApiClient, spec: dict[str, Any]) -> bool:
    plural, [version] = spec["names"]["plural"], [each["name"] for each in spec["versions"]]
    try:
        await CustomObjectsApi(client).list_cluster_custom_object(spec["group"], version, plural)
    except ApiException as error:
        if error.status != NOT_FOUND:
            raise
        return False
    return True
