"""Requests to the API server from inside the cluster's network namespace, for the start of the cluster."""

import http.client
import json
import ssl
from typing import Any

from .layout import API_PORT, LOOPBACK, Layout

SECONDS_TO_RESPOND = 5.0


def responds(layout: Layout, path: str) -> bool:
    """Return whether a request succeeds."""
    return _get(layout, path) is not None


def has_ready_node(layout: Layout) -> bool:
    """Return whether a node is Ready."""
    nodes = json.loads(_get(layout, "/api/v1/nodes") or '{"items": []}')["items"]
    return any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for node in nodes
        for condition in _conditions(node)
    )


def _conditions(node: dict[str, Any]) -> list[dict[str, str]]:
    return list(node.get("status", {}).get("conditions", []))


def _get(layout: Layout, path: str) -> bytes | None:
    context = ssl.create_default_context(cafile=layout.pki / "ca.crt")
    context.load_cert_chain(layout.pki / "admin.crt", layout.pki / "admin.key")
    connection = http.client.HTTPSConnection(LOOPBACK, API_PORT, timeout=SECONDS_TO_RESPOND, context=context)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.read() if response.status == http.HTTPStatus.OK else None
    except OSError:
        return None
    finally:
        connection.close()
