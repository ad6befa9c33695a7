"""The Helm chart renders what is reviewed here, for each set of values in tests/data/chart/values."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.helm import CASES, CHART, DEFAULT, ROOT, helm, identity, of_kind, rendered, template, values_of

GOLDEN = ROOT / "tests/data/chart/rendered"
COPIED = ("CustomResourceDefinition", "ClusterServingRuntime", "PrometheusRule")
"""Kinds whose contents are those of generated files; another test compares them."""


def reviewed(case: str) -> list[dict[str, Any]]:
    """The objects of a case without copies of generated files."""
    return [each for each in rendered(case) if each["kind"] not in COPIED and not is_dashboard(each)]


def is_dashboard(manifest: dict[str, Any]) -> bool:
    return "grafana_dashboard" in manifest["metadata"].get("labels", {})


def text_of(case: str) -> str:
    objects = reviewed(case)
    if case == DEFAULT:
        return yaml.safe_dump_all(objects, sort_keys=False, width=110)
    default = {identity(each): each for each in reviewed(DEFAULT)}
    absent = sorted(set(default) - {identity(each) for each in objects})
    lines = "".join(f"# without {each}\n" for each in absent)
    changed = [each for each in objects if default.get(identity(each)) != each]
    return f"# What differs from {DEFAULT}.yaml.\n{lines}{yaml.safe_dump_all(changed, sort_keys=False, width=110)}"


@pytest.mark.parametrize("case", CASES)
def test_rendered_objects_are_reviewed(case: str, request: pytest.FixtureRequest) -> None:
    golden, text = GOLDEN / f"{case}.yaml", text_of(case)
    if request.config.getoption("--update-golden"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text(), "run `pytest tests/deploy --update-golden` after a deliberate change"


@pytest.mark.parametrize("case", CASES)
def test_the_chart_has_no_warnings(case: str) -> None:
    completed = helm("lint", "--strict", str(CHART), "--values", str(values_of(case)))
    assert completed.returncode == 0, completed.stdout
    assert "[WARNING]" not in completed.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["serving.backend=docker"],
            "at '/serving/backend': value must be one of 'cluster', 'plain', 'seldon', 'kserve'",
        ),
        (["nats.replicas=2"], "at '/nats/replicas': value must be one of 1, 3, 5"),
        (["gatewey.replicas=2"], "additional properties 'gatewey' not allowed"),
        (["gateway.replica=2"], "at '/gateway': additional properties 'replica' not allowed"),
        (["deployer.replicas=0"], "at '/deployer/replicas': minimum: got 0, want 1"),
        (["traffic.url=models.example.com"], "at '/traffic/url': 'models.example.com' does not match pattern"),
        (["traffic.url="], "traffic.url is not set: set it to the URL at which clients reach the gateway"),
        (["serving.scaling=requests"], "which needs prometheus.url"),
        (["nats.enabled=false"], "nats.url is not set: set it to the URL of your servers"),
        (["registry.replicas=2"], "which needs registry.persistence.accessModes [ReadWriteMany]"),
        (
            ["registry.replicas=2", "registry.persistence.enabled=false"],
            "which needs registry.persistence.accessModes [ReadWriteMany]",
        ),
        (["gateway.ingress.enabled=true"], "gateway.url is not set: its host is that of the Ingress"),
    ],
    ids=lambda each: each[0] if isinstance(each, list) else "",
)
def test_wrong_values_are_refused_with_the_reason(arguments: list[str], message: str) -> None:
    completed = template(DEFAULT, *(argument for each in arguments for argument in ("--set", each)))
    assert completed.returncode != 0
    assert message in completed.stderr


def switches(schema: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, list[str]]]:
    """The path and the values of each value with few ones."""
    for name, each in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        if each.get("type") == "boolean":
            yield path, ["true", "false"]
        elif "enum" in each:
            yield path, [str(value) for value in each["enum"]]
        else:
            yield from switches(each, f"{path}.")


SWITCHES = tuple(switches(json.loads((CHART / "values.schema.json").read_text())))


@pytest.mark.parametrize(("path", "options"), SWITCHES, ids=[path for path, _ in SWITCHES])
def test_every_switch_can_have_each_of_its_values(path: str, options: list[str]) -> None:
    for option in options:
        given = f"registry.replicas=1,nats.url=nats://nats.messaging:4222,monitoring.dashboards.enabled=false,{path}={option}"
        completed = template("harbor", "--set", given)
        assert completed.returncode == 0, completed.stderr
        assert all("apiVersion" in each for each in yaml.load_all(completed.stdout, yaml.CSafeLoader) if each)


def test_the_schema_describes_exactly_the_values() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    assert schema_paths(schema) - {"/global"} == value_paths(defaults, schema)


def schema_paths(schema: dict[str, Any], prefix: str = "") -> set[str]:
    properties = schema.get("properties", {})
    paths = {f"{prefix}/{name}" for name in properties}
    return paths.union(*(schema_paths(each, f"{prefix}/{name}") for name, each in properties.items()))


def value_paths(values: dict[str, Any], schema: dict[str, Any], prefix: str = "") -> set[str]:
    """The paths of values; contents of free maps are not described."""
    paths = {f"{prefix}/{name}" for name in values}
    described = schema.get("properties", {})
    nested = [
        value_paths(each, described.get(name, {}), f"{prefix}/{name}")
        for name, each in values.items()
        if isinstance(each, dict) and "properties" in described.get(name, {})
    ]
    return paths.union(*nested)


def test_definitions_are_those_of_the_repository_and_stay_when_the_chart_is_uninstalled() -> None:
    definitions = of_kind(rendered(DEFAULT), "CustomResourceDefinition")
    sources = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / "deploy/kubernetes/crds").glob("*.yaml")}
    assert {each["metadata"]["name"] for each in definitions} == set(sources)
    for each in definitions:
        annotations = each["metadata"].pop("annotations")
        assert annotations["helm.sh/resource-policy"] == "keep"
        assert "Prune=false,Delete=false" in annotations["argocd.argoproj.io/sync-options"]
        assert each == sources[each["metadata"]["name"]]


def test_rules_and_dashboards_are_those_of_the_repository() -> None:
    objects = rendered("harbor")
    directory = ROOT / "deploy/observability"
    [rule] = of_kind(objects, "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((directory / "prometheus/klever.rules.yml").read_text())
    dashboards = [name_and_text for each in objects if is_dashboard(each) for name_and_text in each["data"].items()]
    assert {name: json.loads(text) for name, text in dashboards} == {
        path.name: json.loads(path.read_text()) for path in (directory / "grafana").glob("*.json")
    }


def test_objects_of_kserve_are_those_of_the_repository() -> None:
    objects = of_kind(rendered("gateway-api-kserve"), "ClusterStorageContainer", "ClusterServingRuntime")
    files = sorted((ROOT / "deploy/kserve").glob("*.yaml"))
    sources = [each for path in files for each in yaml.safe_load_all(path.read_text())]
    assert sorted(objects, key=identity) == sorted(sources, key=identity)


def test_what_holds_data_is_kept_when_the_chart_is_uninstalled() -> None:
    objects = rendered(DEFAULT)
    assert of_kind(objects, "Secret") == []
    [volume] = of_kind(objects, "PersistentVolumeClaim")
    assert volume["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    [nats] = [each for each in of_kind(objects, "StatefulSet") if each["metadata"]["name"] == "klever-nats"]
    retained = {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert nats["spec"]["persistentVolumeClaimRetentionPolicy"] == retained


@pytest.mark.parametrize("case", CASES)
def test_rendering_is_repeatable(case: str) -> None:
    assert template(case).stdout == template.__wrapped__(case).stdout


def test_every_case_has_a_review() -> None:
    assert {path.stem for path in Path(GOLDEN).glob("*.yaml")} == set(CASES)
