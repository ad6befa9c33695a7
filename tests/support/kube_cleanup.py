"""Deletes what tests have left on an API server, so that each test starts with an empty cluster.

Namespaces stay, empty: their controller waits five seconds before it deletes one.
"""

import http.client
import json
import ssl
from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import yaml

from kleverproto.custom_resources import FINALIZER
from support.cluster.polling import wait_until

KSERVE = "kserve"
"""The namespace of KServe's controller, which runs for the whole session."""
KEPT = {("serviceaccounts", "default"), ("services", "kubernetes")}
"""Kind and name of what the cluster itself creates in each namespace, or once."""
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
AT_ONCE = {"propagationPolicy": "Background", "gracePeriodSeconds": 0}
SUPERSEDED = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
"""Statuses for an object that has changed since it was listed."""
SECONDS_TO_RESPOND, SECONDS = 30.0, 60.0


class Kind(NamedTuple):
    """Objects of namespaces: the path of their API, and their plural name."""

    api: str
    plural: str


def delete_leftovers(kubeconfig: Path) -> None:
    """Delete the objects of all kinds that the API server serves, in all namespaces that are not the system's.

    Raises:
        TimeoutError: something is still there.
    """
    with closing(_Server(kubeconfig)) as server:
        kinds = server.kinds()
        if not wait_until(lambda: not _delete(server, kinds), SECONDS):
            raise TimeoutError(f"objects of earlier tests are not deleted: {_delete(server, kinds)}")


def _delete(server: "_Server", kinds: list[Kind]) -> list[str]:
    """Request the deletion of all objects. Return the paths of those that there were: owners may create more."""
    paths = []
    for kind in kinds:
        for metadata in server.objects(kind):
            path = f"{kind.api}/namespaces/{metadata['namespace']}/{kind.plural}/{metadata['name']}"
            paths.append(path)
            if FINALIZER in metadata.get("finalizers", ()):  # its gateway has exited
                server.request("PATCH", path, {"metadata": {"finalizers": None}})
            server.request("DELETE", path, AT_ONCE)
    return paths


class _Server:
    """A connection to an API server as its administrator."""

    def __init__(self, kubeconfig: Path) -> None:
        content = yaml.safe_load(kubeconfig.read_text())
        address = urlsplit(content["clusters"][0]["cluster"]["server"]).netloc
        context = ssl._create_unverified_context()  # noqa: S323 - the server of the tests, on loopback
        self._token = content["users"][0]["user"]["token"]
        self._connection = http.client.HTTPSConnection(address, timeout=SECONDS_TO_RESPOND, context=context)
        self.close = self._connection.close

    def kinds(self) -> list[Kind]:
        """The kinds of objects of namespaces, each in one version."""
        kinds: dict[tuple[str, str], Kind] = {}
        for root in ("api", "apis"):
            for group in self.request("GET", root, accept=DISCOVERY)["items"]:
                for kind in _kinds(root, group):
                    kinds.setdefault((group["metadata"].get("name", ""), kind.plural), kind)
        return list(kinds.values())

    def objects(self, kind: Kind) -> list[dict[str, Any]]:
        """The metadata of all objects of a kind that are not the system's."""
        items = self.request("GET", f"{kind.api}/{kind.plural}").get("items", ())
        return [each["metadata"] for each in items if not _is_kept(kind, each["metadata"])]

    def request(
        self, method: str, path: str, body: dict[str, Any] | None = None, accept: str = "application/json"
    ) -> dict[str, Any]:
        """The response; empty for a kind or an object that is not there, or is no longer as it was listed."""
        patch = {"Content-Type": "application/merge-patch+json"} if method == "PATCH" else {}
        headers = {"Authorization": f"Bearer {self._token}", "Accept": accept, "Content-Type": "application/json"}
        self._connection.request(method, f"/{path}", json.dumps(body) if body else None, headers | patch)
        response = self._connection.getresponse()
        content: dict[str, Any] = json.loads(response.read())
        if response.status in SUPERSEDED:
            return {}
        assert response.status < HTTPStatus.BAD_REQUEST, content
        return content


def _kinds(root: str, group: dict[str, Any]) -> Iterator[Kind]:
    for version in group["versions"]:
        path = "/".join(filter(None, (root, group["metadata"].get("name"), version["version"])))
        for each in version["resources"]:
            if each["scope"] == "Namespaced" and {"list", "delete"} <= set(each["verbs"]):
                yield Kind(path, each["resource"])


def _is_kept(kind: Kind, metadata: dict[str, Any]) -> bool:
    is_system = metadata["namespace"].startswith("kube-") or metadata["namespace"] == KSERVE
    return is_system or (kind.plural, metadata["name"]) in KEPT
