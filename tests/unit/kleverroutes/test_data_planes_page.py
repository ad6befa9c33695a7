"""The table of data planes in docs/serving.md agrees with the code."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kleverroutes.errors import UnsupportedRouteError
from kleverroutes.kubernetes.gateway_api import gateway_objects
from kleverroutes.kubernetes.http_routes import ExtensionRef
from support.kubernetes_routes import FEATURES, services_of
from support.rendered_routes import GATEWAY, rendered

PAGE = Path(__file__).parents[3] / "docs" / "serving.md"
ROWS = {
    "`traffic.weights`": "weights",
    "`traffic.rules`": "rules",
    "`traffic.mirror`": "mirror",
    "`traffic.sticky.cookie`": "sticky-cookie",
    "`traffic.sticky.header` while one version gets all requests": "sticky-header",
    "`traffic.sticky.header` while versions share the requests": "sticky-header-split",
    "`timeouts.requestSeconds`": "request-timeout",
    "`timeouts.connectSeconds`": "connect-timeout",
    "`retries`": "retries",
    "`retries.attempts: 0`": "no-retries",
    "gRPC": "grpc",
    "custom servers": "custom-server",
    "`autoscaling.minReplicas: 0`": "scale-to-zero",
}
EXTENSION = ExtensionRef("gateway.example.com", "Filter", "klever")
EXTENDED = replace(GATEWAY, sticky=EXTENSION, retries=EXTENSION)


def rows() -> dict[str, list[str]]:
    """Feature to its cells."""
    _before, _heading, section = PAGE.read_text().partition("\n## Data planes\n")
    lines = [line for line in section.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["feature", "this machine", "Istio", "Gateway API"]
    return {first: rest for first, *rest in cells[2:]}


def is_supported(render: Callable[[], object]) -> bool:
    try:
        render()
    except UnsupportedRouteError:
        return False
    return True


def test_the_table_has_every_feature() -> None:
    assert list(rows()) == list(ROWS)
    assert set(ROWS.values()) == set(FEATURES)


@pytest.mark.parametrize(("row", "feature"), ROWS.items(), ids=list(ROWS.values()))
def test_each_cell_agrees_with_the_code(row: str, feature: str) -> None:
    here, istio, gateway = (cell.split(",")[0].split(";")[0] for cell in rows()[row])
    assert here == "yes"
    assert istio == ("yes" if is_supported(lambda: rendered("istio", feature)) else "no")
    plain = is_supported(lambda: rendered("gateway-api", feature))
    extended = is_supported(lambda: gateway_objects(FEATURES[feature], EXTENDED, services_of(feature)))
    assert gateway == ("yes" if plain else "extension" if extended else "no")
