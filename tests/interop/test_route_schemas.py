"""Rendered routes fit the custom resources of Istio and of the Gateway API, without unknown fields."""

import jsonschema
import pytest
import yaml

from support.go_tools import module_directory
from support.previewed_servings import GOLDEN as PREVIEWS
from support.rendered_routes import GOLDEN
from support.resource_schemas import Json, definitions, validate

ISTIO = ("istio.io/istio", "manifests/charts/base/files/crd-all.gen.yaml")
GATEWAY_API = ("sigs.k8s.io/gateway-api", "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml")


@pytest.fixture(scope="module")
def schemas() -> dict[tuple[str, str], Json]:
    files = [module_directory(path, "istio") / file for path, file in (ISTIO, GATEWAY_API)]
    return {kind: schema for file in files for kind, schema in definitions(file).items()}


def goldens() -> list[str]:
    """Rendered routes, and those that a dry run of the CLI prints."""
    files = (*GOLDEN.glob("*/*.yaml"), *PREVIEWS.glob("*.yaml"))
    return sorted(str(path.relative_to(GOLDEN.parent)) for path in files)


@pytest.mark.parametrize("golden", goldens())
def test_golden_objects_fit_the_schemas(golden: str, schemas: dict[tuple[str, str], Json]) -> None:
    for each in yaml.safe_load_all((GOLDEN.parent / golden).read_text()):
        validate(schemas, each)


@pytest.mark.parametrize("golden", ["routes/istio/weights.yaml", "routes/gateway-api/weights.yaml"])
def test_unknown_fields_and_wrong_types_do_not_fit(golden: str, schemas: dict[tuple[str, str], Json]) -> None:
    *_others, last = yaml.safe_load_all((GOLDEN.parent / golden).read_text())
    [rules] = (last["spec"][name] for name in ("http", "rules") if name in last["spec"])
    for wrong in ({"weigth": 100}, {"timeout": 5, "timeouts": 5}):
        kept = dict(rules[0])
        rules[0].update(wrong)
        with pytest.raises(jsonschema.ValidationError):
            validate(schemas, last)
        rules[0] = kept
