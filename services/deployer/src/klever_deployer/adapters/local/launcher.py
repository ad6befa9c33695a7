"""Builds the command, environment and sandbox policy of a model server on this machine."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from string import Template
from typing import Protocol

from klever_deployer.domain.runtimes import has_grpc
from klever_deployer.settings import MAX_REQUEST_BYTES
from kleverkit.secret_files import SecretFiles, SecretNotFoundError
from kleverproto.quantities import bytes_of, cores_of
from kleverproto.variants import CUSTOM, Variant
from kleversandbox.policy import Policy
from kleversandbox.support import Confinement
from kleversandbox.system_paths import interpreter_paths, program_paths
from kleverserve.access import HEADER, VARIABLE
from modelfiles.runtimes import RUNTIMES

from .access_keys import AccessKeys
from .replica_specs import ReplicaSpec
from .sandbox_policy import confined

SERVER_PACKAGES = ("kleverserve", "modelfiles")
TRITON = "triton"
MADE_BY_TRITON = ("/tmp",)  # noqa: S108
"""Directories in which Triton's Python backend creates an empty directory, regardless of TMPDIR."""
PLATFORM = "KLEVER_PLATFORM"
PROTECTED = (PLATFORM, "HOME", "TMPDIR", VARIABLE)
"""Variables that a variant cannot set."""
INHERITED = frozenset(
    {
        "PATH",
        "LANG",
        "LC_ALL",
        "TZ",
        "JAVA_HOME",
        "LD_LIBRARY_PATH",
        "SSL_CERT_FILE",
        PLATFORM,
    }
)
"""Variables of the deployer's environment that model servers inherit; they contain no secrets."""


@dataclass(frozen=True)
class Ports:
    """The address and ports of a server."""

    host: str
    http: int
    grpc: int = 0
    inner: int = 0
    """Port of an inner server that this server runs; 0 if there is none."""


@dataclass(frozen=True)
class Launch:
    """A process to start."""

    policy: Policy
    """The command, and the permissions of its sandbox."""
    launcher_env: Mapping[str, str]
    """Environment of the launcher process."""
    sandbox: str
    """A description of the sandbox, for people."""
    cores: int | None = None


class Launcher(Protocol):
    """Decides how model servers are started."""

    def __call__(self, spec: ReplicaSpec, ports: Ports, home: Path) -> Launch:
        """The launch of a replica with this home directory. Raises LookupError if a secret is missing."""
        ...

    def refusal(self, namespace: str, variant: Variant) -> str | None:
        """The reason why a variant cannot run here, as a sentence; None if it can."""
        ...

    def probe_headers(self, spec: ReplicaSpec) -> Mapping[str, str]:
        """Headers of readiness probes, with the key that the server requires."""
        ...


def takes_grpc(spec: ReplicaSpec) -> bool:
    """Return whether a server has a second port, for gRPC."""
    return has_grpc(spec.prepared.runtime)


def has_inner_server(spec: ReplicaSpec) -> bool:
    """Return whether a server runs an inner server, which it reaches by TCP."""
    return spec.prepared.runtime == TRITON


@dataclass(frozen=True)
class ProcessLauncher:
    """Launches servers with this interpreter, or with that of the model's environment.

    Args:
        python: the deployer's own interpreter, whose environment holds kleverserve.
        server_path: a directory with only the model server's packages, so that no other package of ours is imported.
        secrets: the secrets that variants refer to in `env`.
        confinement: the sandbox.
        inherited: the deployer's environment variables.
        max_request_bytes: the limit for a body or message; custom servers get it as an environment variable.
    """

    python: Path
    server_path: Path
    secrets: SecretFiles
    confinement: Confinement
    inherited: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    max_request_bytes: int = MAX_REQUEST_BYTES
    keys: AccessKeys | None = None
    """The keys that servers require; none by default."""

    def __call__(self, spec: ReplicaSpec, ports: Ports, home: Path) -> Launch:
        """See `Launcher`. Raises SecretNotFoundError."""
        given = {key: value for key, value in self.inherited.items() if key in INHERITED}
        cores = _cores(spec.variant)
        env = given | {"OMP_NUM_THREADS": str(cores or 1), "HOME": str(home), "TMPDIR": str(home)}
        is_custom = spec.prepared.runtime == CUSTOM
        policy = self._custom(spec, ports, env, home) if is_custom else self._built_in(spec, ports, env, home)
        policy = confined(policy, spec, (ports.http, ports.grpc, ports.inner), given, self.confinement)
        own = self.secrets.resolved(spec.key.serving.namespace, spec.variant.env)
        marks = {name: policy.environment[name] for name in PROTECTED if name in policy.environment}
        policy = policy._replace(environment=policy.environment | own | marks)
        return Launch(policy, given, self.confinement.describe(spec.variant.network.value), cores)

    def _custom(self, spec: ReplicaSpec, ports: Ports, env: Mapping[str, str], home: Path) -> Policy:
        """The policy of a custom server: a program of the model, the system, or a Python environment."""
        model, words = spec.prepared.model.directory, spec.variant.custom.command if spec.variant.custom else ()
        env = {**env, **_custom_env(spec, ports), "MAX_REQUEST_BYTES": str(self.max_request_bytes)}
        command = tuple(Template(word).safe_substitute(env) for word in words)
        execute = (str(model), *program_paths(command[0], env.get("PATH")))
        return Policy(command, env, str(model), execute=execute, write=(str(home),))

    def _built_in(self, spec: ReplicaSpec, ports: Ports, env: Mapping[str, str], home: Path) -> Policy:
        python = spec.prepared.python or self.python
        code = (str(self.server_path), *(str(path.resolve()) for path in self.server_path.glob("*")))
        return Policy(
            self._command(spec, python, ports),
            {**env, "PYTHONPATH": str(self.server_path), **self._key_variable(spec)},
            str(home),
            execute=interpreter_paths(python),
            read=(*code, str(spec.prepared.model.directory)),
            write=(str(home),),
            make_directories=MADE_BY_TRITON if has_inner_server(spec) else (),
            needs_shared_memory=has_inner_server(spec),
            needs_processes=has_inner_server(spec),
        )

    def probe_headers(self, spec: ReplicaSpec) -> Mapping[str, str]:
        """See `Launcher`. A custom server has no key."""
        return {HEADER: self.keys(spec.key.serving)} if self.keys and spec.prepared.runtime != CUSTOM else {}

    def _key_variable(self, spec: ReplicaSpec) -> dict[str, str]:
        """The key as an environment variable: other users cannot read it, unlike arguments."""
        return {VARIABLE: self.keys(spec.key.serving)} if self.keys else {}

    def refusal(self, namespace: str, variant: Variant) -> str | None:
        """See `Launcher`."""
        if variant.resources.gpu is not None:
            return f"variant {variant.name} requests a GPU, and none is available here: remove resources.gpu"
        if variant.custom is not None and not variant.custom.command:
            return f"variant {variant.name} is an image, which needs a cluster: set custom.command to run it here"
        try:
            self.secrets.resolved(namespace, variant.env)
        except SecretNotFoundError as error:
            return f"variant {variant.name}: {error}"
        return None

    def _command(self, spec: ReplicaSpec, python: Path, ports: Ports) -> tuple[str, ...]:
        prepared = spec.prepared
        more: tuple[str, ...] = ("--grpc-port", str(ports.grpc)) if takes_grpc(spec) else ()
        if has_inner_server(spec):
            more += ("--inner-port", str(ports.inner))
        for name in prepared.trust:
            more += ("--trust", name)
        if spec.variant.parameters:
            more += ("--parameters", json.dumps(spec.variant.parameters))
        return (
            *(str(python), "-m", RUNTIMES[prepared.runtime].module),
            *("--model-dir", str(prepared.model.directory), "--format", prepared.model.format),
            *("--name", spec.key.serving.name, "--version", spec.version),
            *("--host", ports.host, "--port", str(ports.http), "--threads", str(_cores(spec.variant) or 1)),
            *("--max-body-bytes", str(self.max_request_bytes), *more),
        )


def ready_path(spec: ReplicaSpec) -> str:
    """The path of the readiness probe, which returns 200 when the server takes requests."""
    custom = spec.variant.custom
    return custom.ready_path if custom is not None else f"/v2/models/{spec.key.serving.name}/ready"


def memory_limit(spec: ReplicaSpec) -> int | None:
    """Memory limit of a server in bytes; None for no limit."""
    memory = spec.variant.resources.memory
    return bytes_of(memory) if memory else None


def server_path(directory: Path, packages: Iterable[Path]) -> Path:
    """Create a directory with links to these packages only, for the import path of a model's environment."""
    directory.mkdir(parents=True, exist_ok=True)
    for package in packages:
        link = directory / package.name
        if not link.is_symlink() or link.readlink() != package:
            link.unlink(missing_ok=True)
            link.symlink_to(package)
    return directory


def server_packages() -> tuple[Path, ...]:
    """The directories of the model server's packages. Raises RuntimeError if one is not installed."""
    origins = [spec.origin for name in SERVER_PACKAGES if (spec := find_spec(name)) is not None]
    if len(origins) < len(SERVER_PACKAGES) or None in origins:
        raise RuntimeError("kleverserve is not installed beside the deployer: install klever[platform]")
    return tuple(Path(origin).parent for origin in origins if origin is not None)


def _cores(variant: Variant) -> int | None:
    """The number of whole cores: a process cannot be restricted to a part of one."""
    return max(1, ceil(cores_of(variant.resources.cpu))) if variant.resources.cpu else None


def _custom_env(spec: ReplicaSpec, ports: Ports) -> dict[str, str]:
    return {
        "PORT": str(ports.http),
        "HOST": ports.host,
        "MODEL_DIR": str(spec.prepared.model.directory / "model"),
        "MODEL_NAME": spec.key.serving.name,
    }
