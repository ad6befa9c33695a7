"""Kinds of objects of data planes on an API server that has no data plane."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from kubernetes_asyncio.client import ApiClient, ApiException, CustomObjectsApi

from support import custom_definitions
from support.waiting import eventually


@dataclass(frozen=True)
class RouteKind:
    """A kind of objects; its schema accepts every field."""

    group: str
    kind: str
    plural: str

    @property
    def name(self) -> str:
        """The name of its definition."""
        return f"{self.plural}.{self.group}"

    def definition(self) -> Any:
        """Its CustomResourceDefinition."""
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
        names = {"kind": self.kind, "plural": self.plural, "singular": self.kind.lower()}
        spec = {"group": self.group, "scope": "Namespaced", "names": names, "versions": [version]}
        annotations = {"api-approved.kubernetes.io": "unapproved, tests only"}
        return {"metadata": {"name": self.name, "annotations": annotations}, "spec": spec}


ISTIO = (
    RouteKind("networking.istio.io", "VirtualService", "virtualservices"),
    RouteKind("networking.istio.io", "DestinationRule", "destinationrules"),
)
GATEWAY_API = (RouteKind("gateway.networking.k8s.io", "HTTPRoute", "httproutes"),)


async def install(client: ApiClient, *kinds: RouteKind) -> None:
    """Define the kinds, and return when the API server serves them."""
    for each in kinds:
        await custom_definitions.install(client, each.definition())


async def uninstall(client: ApiClient, *kinds: RouteKind) -> None:
    """Delete the definitions with all objects, and return when the API server does not serve them any more."""
    for each in kinds:
        await custom_definitions.uninstall(client, each.definition())
        await eventually(partial(_is_gone, client, each), within=60)


async def _is_gone(client: ApiClient, kind: RouteKind) -> bool:
    try:
        await CustomObjectsApi(client).list_cluster_custom_object(kind.group, "v1", kind.plural)
    except ApiException as error:
        return bool(error.status == custom_definitions.NOT_FOUND)
    return False
