"""docker-compose.yaml as Docker Compose reads it, and the files that it mounts."""

import json
import re
import subprocess
import sys
from importlib.metadata import version
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml

from klever.observability.boards import DASHBOARDS
from klever.platform.credential_files import recipients
from klever.platform.home import Home
from modelfiles.runtimes import REPOSITORY
from support.go_tools import go_tool
from support.podman.compose import HEALTH_CHECKED

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
from images import IMAGES  # noqa: E402

PLATFORM = {"credentials", "nats", "topology", "registry", "jobrunner", "deployer", "gateway"}
COMMANDS = {"klever", "login"}
OBSERVABILITY = {"prometheus", "grafana", "otel-collector", "tempo"}
WITH_PROBE = set(HEALTH_CHECKED)

Service = dict[str, Any]


@pytest.fixture(scope="session")
def project() -> dict[str, Any]:
    program = go_tool("github.com/kleveross/klever/tools/compose", "compose", name="compose-config")
    command = [str(program), str(ROOT / "docker-compose.yaml")]
    completed = subprocess.run(command, check=False, capture_output=True, text=True)
    assert completed.returncode == 0, completed.stderr
    described: dict[str, Any] = json.loads(completed.stdout)
    return described


@pytest.fixture
def services(project: dict[str, Any]) -> dict[str, Service]:
    services: dict[str, Service] = project["services"]
    return services


def volumes(service: Service) -> dict[str, str]:
    """The named volumes of a service, by their paths in it."""
    return {each["target"]: each["source"] for each in service.get("volumes", []) if each["type"] == "volume"}


def test_the_platform_has_no_profile_and_observability_has_one(services: dict[str, Service]) -> None:
    profiles = {name: service.get("profiles", []) for name, service in services.items()}
    assert profiles == {
        **{key: [] for key in PLATFORM},
        **{key: ["commands"] for key in COMMANDS},
        **{key: ["observability"] for key in OBSERVABILITY},
    }


def test_ports_are_published_on_loopback_only(services: dict[str, Service]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert {port["published"] for port in ports} == {"4222", "5000", "8080", "8081", "3000"}
    assert all(ip_address(port["host_ip"]).is_loopback for port in ports)
    assert {service.get("network_mode") for service in services.values()} == {None, "none"}


def test_every_container_is_restricted(services: dict[str, Service]) -> None:
    for name, service in services.items():
        assert service["read_only"], name
        assert service["user"] == "65532:65532", name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["init"], name
        assert service["logging"]["options"] == {"max-size": "16m", "max-file": "2"}, name
        assert not {"cap_add", "privileged", "pid", "ipc", "devices"} & service.keys(), name


def test_images_of_the_platform_have_the_version_of_the_release(services: dict[str, Service]) -> None:
    built = {
        service["image"]: service["build"]["args"]["SERVICE"] for service in services.values() if "build" in service
    }
    assert built == {
        f"{REPOSITORY}/{IMAGES[name].repository}:{version('kleverkit')}": name
        for name in ("klever", "registry", "gateway")
    }


def test_every_setting_is_documented(services: dict[str, Service]) -> None:
    page = (ROOT / "docs/settings.md").read_text()
    documented = set(re.findall(r"^\| `(KLEVER_[A-Z_]+)`", page, re.MULTILINE))
    common = re.findall(r"^\| `KLEVER_<SERVICE>_([A-Z_]+)`", page, re.MULTILINE)
    documented |= {f"KLEVER_{service.upper()}_{name}" for service in WITH_PROBE for name in common}
    configured = {
        name: {key for key in service.get("environment", {}) if key.startswith("KLEVER_")}
        for name, service in services.items()
    }
    assert set().union(*configured.values()) - documented == set()
    own = {
        name: {key for key in keys if not key.startswith(f"KLEVER_{name.upper()}_")}
        for name, keys in configured.items()
    }
    assert {name: own[name] for name in WITH_PROBE} == {
        **{key: set() for key in WITH_PROBE},
        "jobrunner": {"KLEVER_TOOLCHAINS"},
        "deployer": {"KLEVER_TOOLCHAINS"},
    }


def test_every_file_that_is_mounted_exists_and_is_read_only(services: dict[str, Service]) -> None:
    mounts = [each for service in services.values() for each in service.get("volumes", []) if each["type"] == "bind"]
    assert len(mounts) == 7
    assert [each["source"] for each in mounts if not Path(each["source"]).exists() or not each["read_only"]] == []


def test_each_service_has_its_own_credentials_only(services: dict[str, Service]) -> None:
    given = set(recipients(Home(Path("/home"))))
    for name in given:
        assert volumes(services[name])["/credentials"] == f"{name}-credentials"
    for name, service in services.items():
        mounted = {source for source in volumes(service).values() if source.endswith("-credentials")}
        assert mounted <= {f"{each}-credentials" for each in (given if name == "credentials" else {name})}
    operator = {name for name, service in services.items() if "operator" in volumes(service).values()}
    assert operator == {"credentials", *COMMANDS}
    read_only = [
        each.get("read_only", False)
        for name in given
        for each in services[name]["volumes"]
        if each["target"] == "/credentials"
    ]
    assert all(read_only)


def test_no_secret_is_in_the_file(services: dict[str, Service]) -> None:
    secretive = re.compile("PASSWORD|TOKEN|SECRET|CREDENTIALS|KEY")
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            assert not secretive.search(name) or value.startswith("/"), f"{name} is not a path"


def test_volumes_have_their_owner_from_directories_of_the_image(
    project: dict[str, Any], services: dict[str, Service]
) -> None:
    """A volume whose first container has no such directory belongs to root, and nothing can be written to it."""
    script = (ROOT / "deploy/images/install.sh").read_text()
    made = set(re.findall(r"[\w-]+", script.partition("  mkdir ")[2].partition(")")[0].replace("\\\n", "")))
    initialized = volumes(services["credentials"])
    assert {path.removeprefix("/volumes/") for path in initialized} - {"/var/lib/klever"} == made
    of_images = {
        source for each in services.values() for path, source in volumes(each).items() if path == "/var/lib/klever"
    }
    assert set(project["volumes"]) == set(initialized.values()) | of_images


def test_services_start_when_those_they_need_are_healthy(services: dict[str, Service]) -> None:
    assert {name for name, service in services.items() if "healthcheck" in service} == WITH_PROBE
    for name, service in services.items():
        for needed, each in service.get("depends_on", {}).items():
            expected = {"credentials": "service_completed_successfully"} | dict.fromkeys(WITH_PROBE, "service_healthy")
            assert each["condition"] == expected.get(needed, "service_started"), (name, needed)
    for name in WITH_PROBE:
        port = services[name]["healthcheck"]["test"][-1]
        environment = services[name]["environment"]
        assert environment.get(f"KLEVER_{name.upper()}_PORT", port) == port


def test_prometheus_scrapes_the_services_with_their_names(services: dict[str, Service]) -> None:
    file = ROOT / "deploy/compose/prometheus.yml"
    subprocess.run(["promtool", "check", "config", "--syntax-only", str(file)], check=True, capture_output=True)
    jobs = {
        job["job_name"]: job["static_configs"][0]["targets"][0]
        for job in yaml.safe_load(file.read_text())["scrape_configs"]
    }
    expected = {f"klever-{name}": f"{name}:{services[name]['healthcheck']['test'][-1]}" for name in WITH_PROBE}
    assert jobs == {**expected, "klever-ingress": expected["klever-deployer"]}
    for name in WITH_PROBE - {"registry", "gateway"}:
        assert services[name]["environment"][f"KLEVER_{name.upper()}_NAMES"] == name


def test_grafana_has_all_dashboards_and_both_sources() -> None:
    sources = yaml.safe_load((ROOT / "deploy/compose/grafana/datasources.yml").read_text())["datasources"]
    assert {each["type"]: each["url"] for each in sources} == {
        "prometheus": "http://prometheus:9090",
        "tempo": "http://tempo:3200",
    }
    assert {f"{board.name}.json" for board in DASHBOARDS} == {
        path.name for path in (ROOT / "deploy/observability/grafana").iterdir()
    }


def test_spans_are_passed_on_to_tempo() -> None:
    collector = yaml.safe_load((ROOT / "deploy/compose/otel-collector.yml").read_text())
    for pipeline in collector["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= set(collector[kind])
    port = collector["exporters"]["otlphttp/tempo"]["endpoint"].rpartition(":")[2]
    tempo = yaml.safe_load((ROOT / "deploy/compose/tempo.yml").read_text())
    assert tempo["distributor"]["receivers"]["otlp"]["protocols"]["http"]["endpoint"].endswith(f":{port}")
