"""A route that shows that a gateway has received the present VirtualService of a serving."""

import hashlib
import json
from collections.abc import Sequence

from kleverroutes.paths import path_prefix
from kleverroutes.versions import ServingName

from .services import Json

PROBED = 204
"""Status of the response."""


def with_probe(objects: Sequence[Json], serving: ServingName) -> list[Json]:
    """The objects of a route, whose VirtualService also responds at `probe_path`."""
    return [*objects[:-1], _probed(objects[-1], serving)]


def probe_path(objects: Sequence[Json]) -> str:
    """The path to which only gateways with the present objects respond."""
    path: str = objects[-1]["spec"]["http"][0]["match"][0]["uri"]["exact"]
    return path


def _probed(virtual_service: Json, serving: ServingName) -> Json:
    spec = virtual_service["spec"]
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()
    probe = {
        "name": "probe",
        "match": [{"uri": {"exact": f"{path_prefix(serving)}-klever-route-{digest[:16]}"}}],
        "directResponse": {"status": PROBED},
    }
    return {**virtual_service, "spec": {**spec, "http": [probe, *spec["http"]]}}
