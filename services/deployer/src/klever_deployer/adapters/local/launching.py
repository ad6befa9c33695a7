"""How a model server is started on this machine."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from string import Template

from klever_deployer.domain.replicas import CUSTOM, ReplicaSpec
from klever_deployer.domain.runtimes import WITH_GRPC
from klever_deployer.settings import MAX_REQUEST_BYTES
from kleverproto.quantities import bytes_of, cores_of
from kleverproto.variants import Network, Variant
from kleversandbox.policy import Policy
from kleversandbox.support import Confinement
from kleversandbox.system_paths import NAME_SERVICE, READABLE, SYSTEM, interpreter_paths, paths_in, program_paths
from modelformats.foreign_code import may_run_code

TRITON = "triton"
MODULES = {"kleverserve": "kleverserve", TRITON: "kleverserve.triton", "mlserver": "kleverserve.mlserver"}
MADE_BY_TRITON = ("/tmp",)  # noqa: S108
"""Its python backend makes an empty directory there, whatever TMPDIR is."""
PLATFORM = "KLEVER_PLATFORM"
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
"""What a model server gets of the deployer's environment: none of its secrets."""


@dataclass(frozen=True)
class Ports:
    """Where a server is told to listen."""

    host: str
    http: int
    grpc: int = 0
    inner: int = 0
    """Of a server behind the one that answers; 0 where there is none."""


@dataclass(frozen=True)
class Launch:
    """A process to start."""

    policy: Policy
    """What it runs, and what that may do."""
    launcher_env: Mapping[str, str]
    """Environment of what starts it."""
    ready_path: str
    """A GET of it answers 200 when the server takes requests."""
    sandbox: str
    """What it is confined by, for people."""
    memory: int | None = None
    """Bytes that it may use."""
    cores: int | None = None


Launcher = Callable[[ReplicaSpec, Ports, Path], Launch]
"""Gets the replica, its ports, and its home, which is private and empty."""


def takes_grpc(spec: ReplicaSpec) -> bool:
    """Whether a server has a second port, for gRPC."""
    return spec.prepared.runtime in WITH_GRPC


def has_inner(spec: ReplicaSpec) -> bool:
    """Whether a server runs another one, which it reaches by TCP."""
    return spec.prepared.runtime == TRITON


@dataclass(frozen=True)
class Launching:
    """Starts servers with this interpreter, or with that of the environment their model needs.

    Args:
        python: the deployer's own interpreter, whose environment holds kleverserve.
        server_path: a directory that holds nothing but kleverserve, so that nothing else of ours is imported.
        confinement: what confines them.
        inherited: the deployer's environment variables.
        max_request_bytes: of a body or message; servers of the user's own get it as an environment variable.
    """

    python: Path
    server_path: Path
    confinement: Confinement
    inherited: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    max_request_bytes: int = MAX_REQUEST_BYTES

    def __call__(self, spec: ReplicaSpec, ports: Ports, home: Path) -> Launch:
        """How to start a replica."""
        variant = spec.variant
        given = {key: value for key, value in self.inherited.items() if key in INHERITED}
        cores = _cores(variant)
        env = given | {"OMP_NUM_THREADS": str(cores or 1), "HOME": str(home), "TMPDIR": str(home)}
        if spec.prepared.runtime == CUSTOM and variant.custom is not None:
            policy = self._custom(spec, ports, env, home)
            ready = variant.custom.ready_path
        else:
            policy = self._ours(spec, ports, env, home)
            ready = f"/v2/models/{spec.key.serving.name}/ready"
        memory = bytes_of(variant.resources.memory) if variant.resources.memory else None
        confined_by = self.confinement.describe(variant.network.value)
        return Launch(self._confined(policy, spec, ports, given), given, ready, confined_by, memory, cores)

    def _custom(self, spec: ReplicaSpec, ports: Ports, env: Mapping[str, str], home: Path) -> Policy:
        """A server of the user's own: from the model, the system's programs, or the deployer's environment."""
        variant, model = spec.variant, spec.prepared.model.directory
        env = {**env, **_custom_env(spec, ports), "MAX_REQUEST_BYTES": str(self.max_request_bytes)}
        words = variant.custom.command if variant.custom else ()
        command = tuple(Template(word).safe_substitute(env) for word in words)
        execute = (str(model), *program_paths(command[0], env.get("PATH")))
        return Policy(command, _with(env, variant, home), str(model), execute=execute, write=(str(home),))

    def _ours(self, spec: ReplicaSpec, ports: Ports, env: Mapping[str, str], home: Path) -> Policy:
        python = spec.prepared.python or self.python
        command = self._command(spec, python, ports)
        env = _with({**env, "PYTHONPATH": str(self.server_path)}, spec.variant, home)
        code = (str(self.server_path), *(str(path.resolve()) for path in self.server_path.glob("*")))
        return Policy(
            command,
            env,
            str(home),
            execute=interpreter_paths(python),
            read=(*code, str(spec.prepared.model.directory)),
            write=(str(home),),
            make_directories=MADE_BY_TRITON if has_inner(spec) else (),
            needs_shared_memory=has_inner(spec),
        )

    def _confined(self, policy: Policy, spec: ReplicaSpec, ports: Ports, given: Mapping[str, str]) -> Policy:
        """The policy with what is the same for every server."""
        prepared, egress = spec.prepared, spec.variant.network is Network.EGRESS
        runs_code = prepared.runtime == CUSTOM or may_run_code(prepared.model.format)
        return policy._replace(
            execute=(*SYSTEM, *paths_in(given), *policy.execute),
            read=(*READABLE, *(NAME_SERVICE if egress else ()), *policy.read),
            listen=tuple(port for port in (ports.http, ports.grpc, ports.inner) if port),
            connect=(ports.inner,) if ports.inner else (),
            egress=egress,
            complete=runs_code and not self.confinement.allow_unsandboxed,
        )

    def _command(self, spec: ReplicaSpec, python: Path, ports: Ports) -> tuple[str, ...]:
        prepared = spec.prepared
        more: tuple[str, ...] = ("--grpc-port", str(ports.grpc)) if takes_grpc(spec) else ()
        if has_inner(spec):
            more += ("--inner-port", str(ports.inner))
        if spec.variant.parameters:
            more += ("--parameters", json.dumps(spec.variant.parameters))
        return (
            *(str(python), "-m", MODULES[prepared.runtime]),
            *("--model-dir", str(prepared.model.directory), "--format", prepared.model.format),
            *("--name", spec.key.serving.name, "--version", spec.version),
            *("--host", ports.host, "--port", str(ports.http), "--threads", str(_cores(spec.variant) or 1)),
            *("--max-body-bytes", str(self.max_request_bytes), *more),
        )


def refusal(variant: Variant) -> str | None:
    """Why a variant cannot run as processes of this machine."""
    if variant.resources.gpu is not None:
        return f"variant {variant.name} wants a GPU, and model servers get none here: leave resources.gpu out"
    if variant.custom is not None and not variant.custom.command:
        return f"variant {variant.name} is an image, which needs a cluster: give custom.command to run it here"
    return None


def server_path(directory: Path, package: Path) -> Path:
    """Make a directory that holds nothing but kleverserve, and so brings nothing else into a model's environment."""
    directory.mkdir(parents=True, exist_ok=True)
    link = directory / package.name
    if not link.is_symlink() or link.readlink() != package:
        link.unlink(missing_ok=True)
        link.symlink_to(package)
    return directory


def _with(env: Mapping[str, str], variant: Variant, home: Path) -> dict[str, str]:
    """The environment with the variant's variables, which replace neither the home nor what marks our processes."""
    marks = {name: env[name] for name in (PLATFORM,) if name in env}
    return {**env, **variant.env, **marks, "HOME": str(home), "TMPDIR": str(home)}


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
