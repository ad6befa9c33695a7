"""Deletes what tests have left on a shared API server, so that each test starts with an empty cluster."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from support.cluster.polling import wait_until

SYSTEM_NAMESPACES = ("kube-", "kserve", "istio-system")
Kinds = tuple[tuple[str, str, dict[str, str]], ...]
OWNERS: Kinds = (
    ("apis/machinelearning.seldon.io/v1", "seldondeployments", {}),
    ("apis/serving.kserve.io/v1beta1", "inferenceservices", {}),
    ("apis/batch/v1", "jobs", {}),
    ("apis/apps/v1", "deployments", {}),
    ("apis/apps/v1", "replicasets", {}),
)
"""Deleted first, or they would create the others again."""
OBJECTS: Kinds = (
    ("api/v1", "pods", {}),
    ("api/v1", "services", {"labelSelector": "component!=apiserver"}),
    ("api/v1", "configmaps", {"fieldSelector": "metadata.name!=kube-root-ca.crt"}),
    ("apis/autoscaling/v2", "horizontalpodautoscalers", {}),
    ("apis/networking.k8s.io/v1", "networkpolicies", {}),
    ("apis/networking.istio.io/v1", "virtualservices", {}),
    ("apis/networking.istio.io/v1", "destinationrules", {}),
    ("apis/gateway.networking.k8s.io/v1", "httproutes", {}),
)
AT_ONCE = {"propagationPolicy": "Background", "gracePeriodSeconds": "0"}
SECONDS = 60.0


@dataclass(frozen=True)
class _Collection:
    path: str
    query: dict[str, str]


def delete_leftovers(kubeconfig: Path) -> None:
    """Delete the workloads, routes and ConfigMaps of all namespaces that are not the system's.

    Raises:
        TimeoutError: something is still there.
    """
    request = partial(_request, *_address(kubeconfig))
    for kinds in (OWNERS, OBJECTS):
        collections = list(_collections(request, kinds))
        for each in collections:
            if _names(request, each):
                request("DELETE", each.path, {**each.query, **AT_ONCE})
        if not wait_until(partial(_are_empty, request, collections), SECONDS):
            left = {each.path: names for each in collections if (names := _names(request, each))}
            raise TimeoutError(f"objects of earlier tests are not deleted: {left}")


def _are_empty(request: Any, collections: list[_Collection]) -> bool:
    return not any(_names(request, each) for each in collections)


def _collections(request: Any, kinds: Kinds) -> Iterator[_Collection]:
    listed = request("GET", "api/v1/namespaces", {})["items"]
    namespaces = [each["metadata"]["name"] for each in listed]
    for namespace in namespaces:
        if not namespace.startswith(SYSTEM_NAMESPACES):
            for api, plural, query in kinds:
                yield _Collection(f"{api}/namespaces/{namespace}/{plural}", query)


def _names(request: Any, collection: _Collection) -> list[str]:
    items = request("GET", collection.path, collection.query).get("items", [])
    return [each["metadata"]["name"] for each in items]


def _address(kubeconfig: Path) -> tuple[str, str]:
    content = yaml.safe_load(kubeconfig.read_text())
    return content["clusters"][0]["cluster"]["server"], content["users"][0]["user"]["token"]


def _request(server: str, token: str, method: str, path: str, query: dict[str, str]) -> dict[str, Any]:
    """The response; empty for a kind that is not defined."""
    request = urllib.request.Request(  # noqa: S310 - the server of the tests
        f"{server}/{path}?{urlencode(query)}", method=method, headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, context=ssl._create_unverified_context(), timeout=30) as response:  # noqa: S310, S323
            document: dict[str, Any] = json.load(response)
            return document
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.NOT_FOUND:
            return {}
        raise
