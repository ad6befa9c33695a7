"""How a model server is started on this machine."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from string import Template
from typing import Protocol

from klever_deployer.domain.replicas import CUSTOM, ReplicaSpec
from klever_deployer.domain.runtimes import WITH_GRPC
from klever_deployer.settings import MAX_REQUEST_BYTES
from kleverkit.secret_files import SecretFiles, SecretNotFoundError
from kleverproto.quantities import bytes_of, cores_of
from kleverproto.variants import Variant

MODULES = {"kleverserve": "kleverserve", "triton": "kleverserve.triton", "mlserver": "kleverserve.mlserver"}
INHERITED = frozenset(
    {
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "TMPDIR",
        "TZ",
        "JAVA_HOME",
        "LD_LIBRARY_PATH",
        "SSL_CERT_FILE",
        "KLEVER_PLATFORM",
    }
)
"""What a model server gets of the deployer's environment: none of its secrets."""


@dataclass(frozen=True)
class Ports:
    """Where a server is told to listen."""

    host: str
    http: int
    grpc: int = 0


@dataclass(frozen=True)
class Launch:
    """A process to start."""

    command: tuple[str, ...]
    env: Mapping[str, str]
    """All of it."""
    cwd: Path | None = None
    cores: int | None = None


class Launcher(Protocol):
    """Knows how servers are started."""

    def __call__(self, spec: ReplicaSpec, ports: Ports) -> Launch:
        """How to start a replica. Raises LookupError where something that it needs is missing."""
        ...

    def refusal(self, namespace: str, variant: Variant) -> str | None:
        """Why a variant cannot run here, for people; None where it can."""
        ...


def takes_grpc(spec: ReplicaSpec) -> bool:
    """Whether a server has a second port, for gRPC."""
    return spec.prepared.runtime in WITH_GRPC


@dataclass(frozen=True)
class Launching:
    """Starts servers with this interpreter, or with that of the environment their model needs.

    Args:
        python: the deployer's own interpreter, whose environment holds kleverserve.
        server_path: a directory that holds nothing but kleverserve, for the other environments.
        secrets: what variants name in `env`.
        inherited: the deployer's environment variables.
        max_request_bytes: of a body or message; servers of the user's own get it as an environment variable.
    """

    python: Path
    server_path: Path
    secrets: SecretFiles
    inherited: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    max_request_bytes: int = MAX_REQUEST_BYTES

    def __call__(self, spec: ReplicaSpec, ports: Ports) -> Launch:
        """How to start a replica. Raises SecretNotFoundError."""
        variant, cwd = spec.variant, None
        env = {key: value for key, value in self.inherited.items() if key in INHERITED}
        cores = _cores(variant)
        env |= {"OMP_NUM_THREADS": str(cores or 1)}
        if spec.prepared.runtime == CUSTOM and variant.custom is not None:
            env |= _custom_env(spec, ports) | {"MAX_REQUEST_BYTES": str(self.max_request_bytes)}
            command = tuple(Template(word).safe_substitute(env) for word in variant.custom.command)
            cwd = spec.prepared.model.directory
        else:
            command = self._command(spec, ports, cores or 1)
            if spec.prepared.python is not None:
                env |= {"PYTHONPATH": str(self.server_path)}
        own = self.secrets.resolved(spec.key.serving.namespace, variant.env)
        return Launch(command, env | own, cwd, cores)

    def refusal(self, namespace: str, variant: Variant) -> str | None:
        """Why a variant cannot run as processes of this machine, for people; None where it can."""
        if variant.resources.gpu is not None:
            return f"variant {variant.name} wants a GPU, and model servers get none here: leave resources.gpu out"
        if variant.custom is not None and not variant.custom.command:
            return f"variant {variant.name} is an image, which needs a cluster: give custom.command to run it here"
        try:
            self.secrets.resolved(namespace, variant.env)
        except SecretNotFoundError as error:
            return f"variant {variant.name}: {error}"
        return None

    def _command(self, spec: ReplicaSpec, ports: Ports, threads: int) -> tuple[str, ...]:
        prepared = spec.prepared
        more: tuple[str, ...] = ("--grpc-port", str(ports.grpc)) if takes_grpc(spec) else ()
        if spec.variant.parameters:
            more += ("--parameters", json.dumps(spec.variant.parameters))
        return (
            *(str(prepared.python or self.python), "-m", MODULES[prepared.runtime]),
            *("--model-dir", str(prepared.model.directory), "--format", prepared.model.format),
            *("--name", spec.key.serving.name, "--version", spec.version),
            *("--host", ports.host, "--port", str(ports.http), "--threads", str(threads)),
            *("--max-body-bytes", str(self.max_request_bytes), *more),
        )


def ready_path(spec: ReplicaSpec) -> str:
    """A GET of it answers 200 when the server takes requests."""
    custom = spec.variant.custom
    return custom.ready_path if custom is not None else f"/v2/models/{spec.key.serving.name}/ready"


def memory_limit(spec: ReplicaSpec) -> int | None:
    """Bytes that a server may use; None where it may use all."""
    memory = spec.variant.resources.memory
    return bytes_of(memory) if memory else None


def server_path(directory: Path, package: Path) -> Path:
    """Make a directory that holds nothing but kleverserve, and so brings nothing else into a model's environment."""
    directory.mkdir(parents=True, exist_ok=True)
    link = directory / package.name
    if not link.is_symlink() or link.readlink() != package:
        link.unlink(missing_ok=True)
        link.symlink_to(package)
    return directory


def _cores(variant: Variant) -> int | None:
    """Whole cores: a process can be kept to some, but not to a part of one."""
    return max(1, ceil(cores_of(variant.resources.cpu))) if variant.resources.cpu else None


def _custom_env(spec: ReplicaSpec, ports: Ports) -> dict[str, str]:
    return {
        "PORT": str(ports.http),
        "HOST": ports.host,
        "MODEL_DIR": str(spec.prepared.model.directory / "model"),
        "MODEL_NAME": spec.key.serving.name,
    }
