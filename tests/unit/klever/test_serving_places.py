"""Options of `klever up` for servings on a cluster become settings of the services."""

import json
from pathlib import Path
from typing import get_args

import click
import pytest
from click.testing import CliRunner

from klever.cli.__main__ import cli
from klever.cli.serving_places import OPTIONS, command_line
from klever.errors import PlatformError
from klever.platform.home import Home
from klever.platform.plan import Ports, parts, urls
from klever.platform.serving_place import ServingPlace
from klever_deployer.settings import DeployerSettings

PORTS = Ports(gateway=1, registry=2, ingress=3, nats=4, jobrunner=5, deployer=6, topology=7)
CLUSTER = ServingPlace("plain", Path("/etc/kubeconfig"), "https://models.example.com", "10.0.0.1:5000")


def environments(place: ServingPlace) -> dict[str, dict[str, str]]:
    return {part.name: part.environment for part in parts(Home(Path("/h")), PORTS, "/bin/nats-server", place=place)}


def test_each_backend_of_the_deployer_can_be_chosen() -> None:
    @click.command()
    @OPTIONS[0]
    def command(backend: str) -> None:
        """A command with the option."""

    [option] = command.params
    assert isinstance(option.type, click.Choice)
    assert set(option.type.choices) == set(get_args(DeployerSettings.model_fields["backend"].annotation))


def test_deployer_gets_the_backend_the_credentials_and_the_registry_for_pods() -> None:
    deployer = environments(CLUSTER)["deployer"]
    assert deployer["KLEVER_DEPLOYER_BACKEND"] == "plain"
    assert deployer["KLEVER_DEPLOYER_KUBECONFIG"] == "/etc/kubeconfig"
    assert json.loads(deployer["KLEVER_DEPLOYER_CLUSTER_REGISTRIES"]) == {"127.0.0.1:2": "http://10.0.0.1:5000"}


def test_registry_answers_to_the_name_that_pods_use() -> None:
    assert environments(CLUSTER)["registry"]["KLEVER_REGISTRY_NAMES"] == "10.0.0.1:5000"


def test_variables_of_the_user_are_kept() -> None:
    given = {
        "KLEVER_REGISTRY_NAMES": "models.example.com",
        "KLEVER_DEPLOYER_CLUSTER_REGISTRIES": '{"harbor:443": "harbor.internal"}',
    }
    place = ServingPlace("plain", None, "https://models.example.com", "10.0.0.1:5000", given)
    assert environments(place)["registry"]["KLEVER_REGISTRY_NAMES"] == "models.example.com,10.0.0.1:5000"
    registries = json.loads(environments(place)["deployer"]["KLEVER_DEPLOYER_CLUSTER_REGISTRIES"])
    assert registries == {"harbor:443": "harbor.internal", "127.0.0.1:2": "http://10.0.0.1:5000"}


def test_clients_get_the_url_of_the_gateway_of_the_cluster() -> None:
    assert urls(PORTS, CLUSTER).ingress == "https://models.example.com"
    assert environments(CLUSTER)["deployer"]["KLEVER_DEPLOYER_INGRESS_PUBLIC_URL"] == "https://models.example.com"
    assert environments(CLUSTER)["gateway"]["KLEVER_GATEWAY_INGRESS_URL"] == "https://models.example.com"


def test_servings_run_on_this_machine_by_default() -> None:
    deployer = environments(ServingPlace())["deployer"]
    assert deployer["KLEVER_DEPLOYER_BACKEND"] == "local"
    assert {"KLEVER_DEPLOYER_KUBECONFIG", "KLEVER_DEPLOYER_CLUSTER_REGISTRIES"}.isdisjoint(deployer)


def test_platform_in_the_background_gets_the_same_options() -> None:
    assert command_line(CLUSTER) == [
        "--backend=plain",
        "--kubeconfig=/etc/kubeconfig",
        "--ingress-url=https://models.example.com",
        "--pod-registry=10.0.0.1:5000",
    ]
    assert command_line(ServingPlace()) == ["--backend=local"]


def test_backend_of_a_cluster_needs_the_url_of_its_gateway() -> None:
    with pytest.raises(PlatformError, match="--backend plain needs --ingress-url"):
        ServingPlace("plain")


@pytest.mark.parametrize(("kubeconfig", "pod_registry"), [(Path("/etc/kubeconfig"), None), (None, "10.0.0.1:5000")])
def test_options_of_a_cluster_need_its_backend(kubeconfig: Path | None, pod_registry: str | None) -> None:
    with pytest.raises(PlatformError, match="add --backend plain"):
        ServingPlace(kubeconfig=kubeconfig, pod_registry=pod_registry)


@pytest.mark.parametrize("registries", ["harbor:443", '["harbor:443"]', '{"harbor:443": 1}'])
def test_registries_in_the_environment_that_are_no_addresses_are_an_error(registries: str) -> None:
    with pytest.raises(PlatformError, match="KLEVER_DEPLOYER_CLUSTER_REGISTRIES is not a JSON object of addresses"):
        ServingPlace("plain", None, "https://a", "10.0.0.1:5000", {"KLEVER_DEPLOYER_CLUSTER_REGISTRIES": registries})


@pytest.mark.parametrize("address", ["http://10.0.0.1:5000", "10.0.0.1", "10.0.0.1:5000/", "10.0.0.1:5000\n", ""])
def test_address_for_pods_is_a_host_and_a_port(address: str) -> None:
    for command in (["up"], ["deploy", "library/iris:v1", "--dry-run"]):
        result = CliRunner().invoke(cli, [*command, "--backend", "plain", "--pod-registry", address])
        assert result.exit_code == 2
        assert f"{address!r} does not have the form HOST:PORT" in result.stderr
