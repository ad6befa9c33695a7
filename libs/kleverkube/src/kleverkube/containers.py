"""The containers of a replica: the init container that fetches the model, and the model server."""

from math import ceil

from kleverproto.quantities import bytes_of
from kleverproto.variants import Resources, SecretRef
from modelfiles.runtimes import DirectoryLayout

from .gpus import gpu_limits
from .images import initializer_image, is_custom, server_image, support_of
from .manifest import Manifest, compact
from .options import ClusterOptions
from .registries import pod_reference, pod_registry
from .servers import STORE, Server, model_directory, server_of
from .version import ServedVersion

INITIALIZER = "ormb-storage-initializer"
INITIALIZER_MEMORY = "128Mi"
"""The least that the init container may use: it needs about 60 MiB, for models of any size."""
SERVER, KSERVE_SERVER = "server", "kserve-container"
SERVERS = frozenset({SERVER, KSERVE_SERVER})
"""Names of the container that answers requests: Klever's own, and the one that KServe requires."""
MODEL_VOLUME, SCRATCH_VOLUME, SHARED_MEMORY_VOLUME = "model", "tmp", "shm"
SCRATCH = "/tmp"  # noqa: S108 - the only directory that a container can write to
SECRET_KEY = "value"  # noqa: S105 - the key of the Secrets that variants refer to
PROBE_PERIOD = 5
PROBE_TIMEOUT = 5


def initializer(version: ServedVersion, options: ClusterOptions) -> Manifest:
    """The init container.

    Its resources are the server's: a pod needs the larger of the two, and quotas want both. But a server may need less
    memory than fetching its model does.
    """
    layout = DirectoryLayout.PLAIN if is_custom(version) else support_of(version).layout
    args = ["pull-and-export", pod_reference(version, options), model_directory(version)]
    env = [
        *credentials(options),
        *([_value("ORMB_PLAIN_HTTP", "1")] if pod_registry(version, options).plain_http else []),
        *_home(),
        _value("ROOTPATH", f"{SCRATCH}/ormb"),
    ]
    return compact(
        {
            "name": INITIALIZER,
            "image": initializer_image(options),
            "command": [INITIALIZER],
            "args": [*args, "--target", layout.value, "--name", version.serving],
            "env": env,
            "resources": _resources(_initializer_resources(version.variant.resources)),
            "volumeMounts": [_mount(MODEL_VOLUME, STORE), _mount(SCRATCH_VOLUME, SCRATCH)],
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "securityContext": restricted(),
        }
    )


def model_server(version: ServedVersion, options: ClusterOptions) -> Manifest:
    """The container that answers requests."""
    server = server_of(version, options)
    grpc = [{"name": "grpc", "containerPort": server.grpc_port}] if server.grpc_port else []
    resources = _resources(version.variant.resources, gpu_limits(version.variant, options))
    return compact(
        {
            "name": SERVER,
            "image": server_image(version, options),
            "command": [_literal(word) for word in server.command],
            "args": [_literal(word) for word in server.args],
            "ports": [{"name": "http", "containerPort": server.port}, *grpc],
            "env": _environment(version, server),
            "resources": resources,
            "volumeMounts": _mounts(server),
            **_probes(server, options),
            "lifecycle": {"preStop": {"sleep": {"seconds": options.drain_seconds}}},
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "securityContext": restricted(),
        }
    )


def credentials(options: ClusterOptions) -> list[Manifest]:
    """The variables by which the init container logs in to the registry of the models."""
    variables = (("ORMB_USERNAME", "username"), ("ORMB_PASSWORD", "password"))
    return [_credential(name, key, options) for name, key in variables]


def restricted() -> Manifest:
    """Return the security context of a container: with the pod's, it meets the Pod Security Standard `restricted`."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def _probes(server: Server, options: ClusterOptions) -> Manifest:
    """A server that is busy is not ready, and is not restarted while it shows that it lives."""
    probes: Manifest = {
        "startupProbe": _probe(server.ready_path, period=1, failures=max(1, ceil(options.ready_seconds))),
        "readinessProbe": _probe(server.ready_path, period=PROBE_PERIOD, failures=2),
    }
    if server.live_path is not None:
        probes["livenessProbe"] = _probe(server.live_path, period=PROBE_PERIOD, failures=6)
    return probes


def _probe(path: str, *, period: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": PROBE_TIMEOUT,
        "failureThreshold": failures,
    }


def _environment(version: ServedVersion, server: Server) -> list[Manifest]:
    """The variant's variables come last, and do not replace those that the platform needs."""
    platform = [*(_value(name, value) for name, value in server.env), *_home()]
    names = {each["name"] for each in platform}
    own = ((name, value) for name, value in sorted(version.variant.env.items()) if name not in names)
    return [
        *platform,
        *(_secret(name, value) if isinstance(value, SecretRef) else _value(name, value) for name, value in own),
    ]


def _home() -> list[Manifest]:
    return [_value("HOME", SCRATCH), _value("TMPDIR", SCRATCH)]


def _value(name: str, value: str) -> Manifest:
    return {"name": name, "value": _literal(value)}


def _literal(text: str) -> str:
    """Kubernetes replaces `$(NAME)` in commands, arguments and values of variables; `$$` is a dollar sign."""
    return text.replace("$", "$$")


def _secret(name: str, ref: SecretRef) -> Manifest:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": ref.secret, "key": SECRET_KEY}}}


def _credential(name: str, key: str, options: ClusterOptions) -> Manifest:
    """Absent where the registry lets everybody pull."""
    reference = {"name": options.registry_secret, "key": key, "optional": True}
    return {"name": name, "valueFrom": {"secretKeyRef": reference}}


def _initializer_resources(server: Resources) -> Resources:
    if server.memory is None or bytes_of(server.memory) >= bytes_of(INITIALIZER_MEMORY):
        return server
    return server.model_copy(update={"memory": INITIALIZER_MEMORY})


def _resources(given: Resources, more_limits: Manifest | None = None) -> Manifest:
    """Requests and limits are equal, so that the scheduler reserves what a replica may use."""
    usual = {name: value for name, value in (("cpu", given.cpu), ("memory", given.memory)) if value}
    return compact({"requests": usual, "limits": {**usual, **(more_limits or {})}})


def _mounts(server: Server) -> list[Manifest]:
    shared = [_mount(SHARED_MEMORY_VOLUME, "/dev/shm")] if server.needs_shared_memory else []  # noqa: S108
    return [{**_mount(MODEL_VOLUME, STORE), "readOnly": True}, _mount(SCRATCH_VOLUME, SCRATCH), *shared]


def _mount(volume: str, path: str) -> Manifest:
    return {"name": volume, "mountPath": path}
