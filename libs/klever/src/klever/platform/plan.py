"""The processes of a platform with their ports and environments; pure."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal

from kleverproto.streams import TOPOLOGY

from .home import Home
from .serving_place import ServingPlace

HOST = "127.0.0.1"
LOOPBACK = "localhost,127.0.0.1,::1"
ALLOW_UNSANDBOXED = "KLEVER_ALLOW_UNSANDBOXED"
"""Environment variable of the services: `1` allows models that can execute code without a complete sandbox."""
MARKER = "KLEVER_PLATFORM"
"""Environment variable of all processes of a platform and of their children; its value is the home."""

HERE = ServingPlace()
NATS, REGISTRY, JOBRUNNER, DEPLOYER, GATEWAY = "nats", "registry", "jobrunner", "deployer", "gateway"
PROMETHEUS = "prometheus"


@dataclass(frozen=True)
class Ports:
    """The ports of the processes. 0 is any free port, which is chosen before the plan is made."""

    gateway: int = 8080
    registry: int = 5000
    ingress: int = 8081
    nats: int = 4222
    topology: int = 0
    jobrunner: int = 0
    deployer: int = 0
    prometheus: int = 0

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return all names, the public ones first."""
        return tuple(port.name for port in fields(cls))

    @classmethod
    def automatic(cls) -> "Ports":
        """Return any free ports."""
        return cls(**dict.fromkeys(cls.names(), 0))

    def with_port(self, name: str, number: int) -> "Ports":
        """Return a copy with one port changed."""
        return replace(self, **{name: number})


@dataclass(frozen=True)
class Part:
    """One process of the platform."""

    name: str
    title: str
    """A description for people."""
    command: Sequence[str]
    probe: Literal["http", "tcp"]
    """The readiness check: `GET /readyz`, or that the port accepts connections."""
    port: int
    url: str
    """Address for people and other processes."""
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Urls:
    """The addresses that a user needs."""

    api: str
    registry: str
    ingress: str
    nats: str


def urls(ports: Ports, place: ServingPlace = HERE) -> Urls:
    """Return the addresses of a platform whose servings run at a place."""
    return Urls(
        api=f"http://{HOST}:{ports.gateway}",
        registry=f"http://{registry_address(ports)}",
        ingress=place.ingress_url or f"http://{HOST}:{ports.ingress}",
        nats=f"nats://{HOST}:{ports.nats}",
    )


def registry_address(ports: Ports) -> str:
    """Return host:port of the registry."""
    return f"{HOST}:{ports.registry}"


def parts(
    home: Home,
    ports: Ports,
    nats_server: str,
    *,
    accounts: Path | None = None,
    allow_commands: bool = False,
    place: ServingPlace = HERE,
) -> tuple[Part, ...]:
    """Return the processes in the order of starting. They are stopped in reverse order.

    Args:
        home: directory of their state.
        ports: their ports; none is 0.
        nats_server: path of the nats-server program.
        accounts: file with the accounts of the registry; default is the file of the home.
        allow_commands: whether servings may run programs of users who deploy.
        place: placement of servings.
    """
    links, commands = urls(ports, place), {"ALLOW_COMMANDS": str(allow_commands).lower()}
    pulling = {"REGISTRY_ADDRESS": registry_address(ports), "REGISTRY_PASSWORD_FILE": str(home.registry_password)}
    return (
        nats_part(home, ports, nats_server),
        _service(
            TOPOLOGY,
            "streams, buckets and consumers on NATS",
            home,
            ports.topology,
            links,
            program="kleverkit.topology_service",
        ),
        _registry(home, ports, links, {**_logins(home, accounts), **place.registry_settings()}),
        _service(JOBRUNNER, "parses models", home, ports.jobrunner, links, **pulling),
        _service(
            DEPLOYER,
            f"model servers, ingress at {links.ingress}",
            home,
            ports.deployer,
            links,
            WORK_DIR=str(home.of(DEPLOYER)),
            SECRETS=str(home.secrets),
            INGRESS_PORT=str(ports.ingress),
            INGRESS_PUBLIC_URL=links.ingress,
            **place.deployer_settings(registry_address(ports)),
            **pulling,
            **commands,
        ),
        _service(
            GATEWAY,
            "REST API, live events, documentation",
            home,
            ports.gateway,
            links,
            REGISTRY_URL=links.registry,
            INGRESS_URL=links.ingress,
            PUBLIC_URL=links.api,
            **commands,
        ),
    )


def service_addresses(ports: Ports) -> dict[str, str]:
    """Return host:port of each service with metrics."""
    names = (TOPOLOGY, REGISTRY, JOBRUNNER, DEPLOYER, GATEWAY)
    return {name: f"{HOST}:{getattr(ports, name)}" for name in names}


def prometheus_part(home: Home, ports: Ports, program: str) -> Part:
    """Return the process of Prometheus, which depends on no other."""
    files = home.prometheus_files
    command = (
        program,
        f"--config.file={files.config}",
        f"--web.config.file={files.web_config}",
        f"--web.listen-address={HOST}:{ports.prometheus}",
        f"--web.console.templates={files.consoles}",
        f"--web.console.libraries={files.consoles}",
        f"--storage.tsdb.path={files.directory / 'data'}",
        "--enable-feature=exemplar-storage",
    )
    url = f"http://{HOST}:{ports.prometheus}"
    title = f"metrics and alerts; user klever, password in {home.token}"
    return Part(PROMETHEUS, title, command, "tcp", ports.prometheus, url, _marked(home))


def _registry(home: Home, ports: Ports, links: Urls, settings: dict[str, str]) -> Part:
    return _service(REGISTRY, "OCI registry and model catalogue", home, ports.registry, links, **settings)


def _logins(home: Home, accounts: Path | None) -> dict[str, str]:
    password = str(home.registry_password)
    return {"ACCOUNTS": str(accounts or home.accounts), "PLATFORM_PASSWORD_FILE": password, "OPEN": "false"}


def nats_part(home: Home, ports: Ports, nats_server: str) -> Part:
    """Return the process of NATS, which depends on no other."""
    store, config = str(home.of(NATS)), str(home.nats_files.config)
    address = ("--addr", HOST, "--port", str(ports.nats))
    command = (nats_server, "--config", config, *address, "--jetstream", "--store_dir", store)
    url = urls(ports).nats
    return Part(NATS, "NATS JetStream, events and documents", command, "tcp", ports.nats, url, _marked(home))


def _service(
    name: str, title: str, home: Home, port: int, addresses: Urls, *, program: str = "", **settings: str
) -> Part:
    prefix = f"KLEVER_{name.upper()}_"
    credentials = str(home.nats_files.credentials_of(name))
    common = {"NATS_URL": addresses.nats, "NATS_CREDENTIALS": credentials, "HOST": HOST, "PORT": str(port)}
    common |= {"TOKEN_FILE": str(home.token)}
    environment = {f"{prefix}{key}": value for key, value in (common | settings).items()}
    command = (sys.executable, "-m", program or f"klever_{name}")
    return Part(name, title, command, "http", port, f"http://{HOST}:{port}", _marked(home) | environment)


def _marked(home: Home) -> dict[str, str]:
    return {MARKER: str(home.path), "KLEVER_HOME": str(home.path)}


def without_proxies_to_itself(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables, with this machine in NO_PROXY: internal requests must not use a company's proxy."""
    configured = environment.get("no_proxy") or environment.get("NO_PROXY")
    direct = ",".join([configured, LOOPBACK] if configured else [LOOPBACK])
    return {**environment, "no_proxy": direct, "NO_PROXY": direct}
