import socket
import sys
from pathlib import Path

import pytest

from klever.errors import PlatformError
from klever.platform.home import Home
from klever.platform.plan import MARKER, Part, Ports, parts, urls, without_proxies_to_itself
from klever.platform.ports import hold, reserved

PORTS = Ports(gateway=1, registry=2, ingress=3, nats=4, jobrunner=5, deployer=6, topology=7)


def planned() -> dict[str, Part]:
    return {part.name: part for part in parts(Home(Path("/h")), PORTS, "/bin/nats-server")}


def test_nats_starts_first_so_that_it_stops_last() -> None:
    assert list(planned()) == ["nats", "topology", "registry", "jobrunner", "deployer", "gateway"]


def test_every_part_carries_the_mark_of_its_home() -> None:
    assert {part.environment[MARKER] for part in planned().values()} == {"/h"}


def test_every_service_finds_nats_and_its_own_port() -> None:
    for name, part in planned().items():
        if name != "nats":
            assert part.environment[f"KLEVER_{name.upper()}_NATS_URL"] == "nats://127.0.0.1:4"
            assert part.environment[f"KLEVER_{name.upper()}_PORT"] == str(part.port)


def test_every_service_has_its_own_credentials() -> None:
    for name, part in planned().items():
        if name != "nats":
            assert part.environment[f"KLEVER_{name.upper()}_NATS_CREDENTIALS"] == f"/h/credentials/nats/{name}.nk"
    assert "/h/credentials/nats/nats-server.conf" in planned()["nats"].command


def test_the_gateway_knows_the_urls_of_the_other_services() -> None:
    environment = planned()["gateway"].environment
    addresses = {name: environment[f"KLEVER_GATEWAY_{name}_URL"] for name in ("PUBLIC", "REGISTRY", "INGRESS")}
    assert addresses == {"PUBLIC": urls(PORTS).api, "REGISTRY": urls(PORTS).registry, "INGRESS": urls(PORTS).ingress}


def test_automatic_ports_are_all_different() -> None:
    with reserved(Ports.automatic()) as (ports, moved):
        pass
    assert len(set(vars(ports).values())) == len(Ports.names())
    assert moved == ()


def test_a_port_in_use_is_reported_with_its_holder_and_a_solution() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(PlatformError) as failure, reserved(Ports.automatic().with_port("registry", port)):
            pass
    message = str(failure.value)
    assert f"port {port}, wanted for the registry, is held by " in message
    assert "--port registry=" in message
    assert "--ports auto" in message


def test_fallback_ports_replace_only_ports_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        held = holder.getsockname()[1]
        with reserved(Ports.automatic().with_port("ingress", held), fall_back=True) as (ports, moved):
            assert moved == ("ingress",)
            assert ports.ingress != held


def test_two_parts_cannot_have_one_port() -> None:
    twins = Ports.automatic().with_port("gateway", 61234).with_port("registry", 61234)
    with pytest.raises(PlatformError, match="gateway and registry"), reserved(twins):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a server listen on a port that is held")
def test_only_its_part_can_listen_on_a_reserved_port() -> None:
    with reserved(Ports.automatic()) as (ports, _):
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind(("127.0.0.1", ports.registry))
        for _start in ("the first", "after a crash"):
            with socket.create_server(("127.0.0.1", ports.registry)) as part:
                assert part.getsockname()[1] == ports.registry
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", ports.registry))


def test_a_port_with_a_listener_cannot_be_reserved() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(OSError, match="in use"):
        hold(server.getsockname()[1])


@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY"])
def test_requests_between_parts_never_use_a_proxy(variable: str) -> None:
    environment = without_proxies_to_itself({"HTTP_PROXY": "http://proxy:3128", variable: "corp.example"})
    assert environment["HTTP_PROXY"] == "http://proxy:3128"
    for name in ("no_proxy", "NO_PROXY"):
        assert environment[name] == "corp.example,localhost,127.0.0.1,::1"
    assert without_proxies_to_itself({})["NO_PROXY"] == "localhost,127.0.0.1,::1"


def test_the_registry_requires_a_login_from_the_start() -> None:
    environment = planned()["registry"].environment
    assert environment["KLEVER_REGISTRY_ACCOUNTS"] == "/h/accounts.yaml"
    assert environment["KLEVER_REGISTRY_PLATFORM_PASSWORD_FILE"] == "/h/credentials/registry-password"
    assert environment["KLEVER_REGISTRY_OPEN"] == "false"


def test_only_services_that_pull_get_the_password_of_the_registry_and_for_its_address() -> None:
    having = {name: part for name, part in planned().items() if "registry-password" in str(part.environment)}
    assert set(having) == {"registry", "jobrunner", "deployer"}
    for name in ("jobrunner", "deployer"):
        environment, prefix = having[name].environment, f"KLEVER_{name.upper()}"
        assert environment[f"{prefix}_REGISTRY_ADDRESS"] == "127.0.0.1:2"
        assert environment[f"{prefix}_REGISTRY_PASSWORD_FILE"] == "/h/credentials/registry-password"


def test_another_accounts_file_may_be_chosen() -> None:
    chosen = {part.name: part for part in parts(Home(Path("/h")), PORTS, "/n", accounts=Path("/etc/accounts.yaml"))}
    assert chosen["registry"].environment["KLEVER_REGISTRY_ACCOUNTS"] == "/etc/accounts.yaml"
