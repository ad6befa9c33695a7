"""Containers of each runtime: command, arguments, ports and probes."""

import json
from dataclasses import dataclass
from math import ceil
from string import Template

from kleverproto.quantities import cores_of
from modelfiles.runtimes import RUNTIMES

from .images import is_custom
from .options import ClusterOptions
from .version import ServedVersion

STORE = "/mnt/models"
"""Mount path of the volume with the model."""
HTTP_PORT = 8080
GRPC_PORT = 8081
TRITON_PORT, TRITON_GRPC_PORT, TRITON_METRICS_PORT = 8000, 8001, 8002
OPENSCORING_PORT = 8000
LIVE_PATH = "/v2/health/live"


@dataclass(frozen=True)
class Server:
    """A model server in its image."""

    ready_path: str
    """GET on this path answers 200 once the server takes requests."""
    port: int = HTTP_PORT
    grpc_port: int | None = None
    live_path: str | None = None
    """GET on this path answers 200 while the process works; None if readiness has to be sufficient."""
    command: tuple[str, ...] = ()
    """The image's own if empty."""
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    needs_shared_memory: bool = False


def model_directory(version: ServedVersion) -> str:
    """The directory that the init container fills."""
    return f"{STORE}/{version.serving}"


def server_of(version: ServedVersion, options: ClusterOptions) -> Server:
    """Return the container settings of a version's model servers."""
    if is_custom(version):
        return _custom(version, options)
    make = {"kleverserve": _kleverserve, "triton": _triton, "mlserver": _mlserver, "openscoring": _openscoring}
    return make[version.runtime](version, options)


def _kleverserve(version: ServedVersion, options: ClusterOptions) -> Server:
    trust = [word for name in version.trust for word in ("--trust", name)]
    parameters = ["--parameters", json.dumps(version.variant.parameters)] if version.variant.parameters else []
    return Server(
        ready_path=_v2_ready(version),
        live_path=LIVE_PATH,
        command=("python", "-P", "-m", RUNTIMES[version.runtime].module),
        args=(
            *("--model-dir", model_directory(version), "--format", version.format),
            *("--name", version.serving, "--version", version.tag),
            *("--host", "0.0.0.0", "--port", str(HTTP_PORT), "--threads", str(_threads(version))),  # noqa: S104
            *("--drain-seconds", f"{options.grace_seconds:g}", "--max-body-bytes", str(options.max_request_bytes)),
            *trust,
            *parameters,
        ),
    )


def _triton(version: ServedVersion, options: ClusterOptions) -> Server:
    return Server(
        ready_path=_v2_ready(version),
        live_path=LIVE_PATH,
        port=TRITON_PORT,
        grpc_port=TRITON_GRPC_PORT,
        command=("tritonserver",),
        args=(
            f"--model-repository={STORE}",
            f"--http-port={TRITON_PORT}",
            f"--grpc-port={TRITON_GRPC_PORT}",
            f"--metrics-port={TRITON_METRICS_PORT}",
            f"--exit-timeout-secs={ceil(options.grace_seconds)}",
        ),
        needs_shared_memory=True,
    )


def _mlserver(version: ServedVersion, options: ClusterOptions) -> Server:
    env = {
        "MLSERVER_HTTP_PORT": str(HTTP_PORT),
        "MLSERVER_GRPC_PORT": str(GRPC_PORT),
        "MLSERVER_GRPC_MAX_MESSAGE_LENGTH": str(options.max_request_bytes),
        "MLSERVER_PARALLEL_WORKERS": "0",  # replicas are what scales
        "MLSERVER_ENVIRONMENTS_DIR": "/tmp/environments",  # noqa: S108 - the image's own are on the read-only root
        "MLSERVER_METRICS_DIR": "/tmp/metrics",  # noqa: S108 - as above
    }
    return Server(
        ready_path=_v2_ready(version),
        live_path=LIVE_PATH,
        grpc_port=GRPC_PORT,
        command=("mlserver",),
        args=("start", model_directory(version)),
        env=tuple(env.items()),
    )


def _openscoring(version: ServedVersion, _options: ClusterOptions) -> Server:
    """The entry point of the image reads its settings from the environment."""
    return Server(
        ready_path=f"/openscoring/model/{version.serving}",
        port=OPENSCORING_PORT,
        env=(("MODEL_STORE", STORE), ("SERVING_NAME", version.serving)),
    )


def _custom(version: ServedVersion, options: ClusterOptions) -> Server:
    """The same variables as on one machine; they are replaced in the command here, as there."""
    env = {
        "PORT": str(HTTP_PORT),
        "HOST": "0.0.0.0",  # noqa: S104 - the pod's own address
        "MODEL_DIR": f"{model_directory(version)}/model",
        "MODEL_NAME": version.serving,
        "MAX_REQUEST_BYTES": str(options.max_request_bytes),
    }
    custom = version.variant.custom
    words = custom.command if custom else ()
    return Server(
        ready_path=custom.ready_path if custom else "/",
        command=tuple(Template(word).safe_substitute(env) for word in words),
        env=tuple(env.items()),
    )


def _v2_ready(version: ServedVersion) -> str:
    return f"/v2/models/{version.serving}/ready"


def _threads(version: ServedVersion) -> int:
    cpu = version.variant.resources.cpu
    return max(1, ceil(cores_of(cpu))) if cpu else 1
