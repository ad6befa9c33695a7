"""The objects that an operator creates once, so that KServe alone serves artifacts of a registry."""

from kleverkube.containers import INITIALIZER, KSERVE_SERVER, credentials, restricted
from kleverkube.images import initializer_image, runtime_image
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkube.servers import HTTP_PORT, LIVE_PATH
from modelfiles.runtimes import RUNTIMES, DirectoryLayout

from .inference_services import GROUP

URI_PREFIX = "ormb://"
"""Prefix of storage URIs. KServe treats `oci://` as a container image that contains the model."""
CONTAINER = "storage-initializer"
"""KServe recognizes its init container by this name."""
STORE = "/mnt/models"
"""Mount path of the volume with the model in KServe."""
RUNTIME = "kleverserve"
NAME = "{{.Name}}"
"""Placeholder that KServe replaces by the name of the InferenceService."""
DRAIN_SECONDS = 20
"""Time to finish requests: less than the termination grace period of pods, which is 30 seconds by default."""


def storage_container(options: ClusterOptions) -> Manifest:
    """Render the ClusterStorageContainer: KServe appends storage URI and directory to its command.

    KServe mounts no other volume, so the root file system stays writable for downloads.
    """
    return {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "ClusterStorageContainer",
        "metadata": {"name": "klever-ormb"},
        "spec": {
            "container": {
                "name": CONTAINER,
                "image": initializer_image(options),
                "command": [INITIALIZER, "pull-and-export", "--target", DirectoryLayout.PLAIN.value],
                "env": [*credentials(options), {"name": "HOME", "value": "/tmp"}],  # noqa: S108 - in the container
                "resources": {
                    "requests": {"cpu": "100m", "memory": "128Mi"},
                    "limits": {"cpu": "1", "memory": "1Gi"},
                },
                "securityContext": {**restricted(), "readOnlyRootFilesystem": False, "runAsNonRoot": True},
            },
            "supportedUriFormats": [{"prefix": URI_PREFIX}],
            "workloadType": "initContainer",
        },
    }


def serving_runtimes(options: ClusterOptions) -> list[Manifest]:
    """Render a ClusterServingRuntime of kleverserve for each format.

    The name of a format does not reach the container, so formats with one image have a runtime each. KServe selects
    none of them automatically: InferenceServices name them.
    """
    return [
        _runtime(name, runtime_image(support.image, options))
        for name, support in RUNTIMES[RUNTIME].formats.items()
        if support.image is not None
    ]


def runtime_name(model_format: str) -> str:
    """The name of the ClusterServingRuntime of a format."""
    return f"{RUNTIME}-{model_format.lower()}"


def _runtime(model_format: str, image: str) -> Manifest:
    return {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "ClusterServingRuntime",
        "metadata": {"name": runtime_name(model_format)},
        "spec": {
            "supportedModelFormats": [{"name": model_format.lower(), "version": "1", "autoSelect": False}],
            "protocolVersions": ["v2"],
            "containers": [_server(model_format, image)],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
        },
    }


def _server(model_format: str, image: str) -> Manifest:
    """The server, without limits: KServe's defaults or the InferenceService set them."""
    return {
        "name": KSERVE_SERVER,
        "image": image,
        "command": ["python", "-P", "-m", RUNTIMES[RUNTIME].module],
        "args": [
            *("--model-dir", STORE, "--format", model_format, "--name", NAME, "--version", "1"),
            *("--host", "0.0.0.0", "--port", str(HTTP_PORT), "--drain-seconds", str(DRAIN_SECONDS)),  # noqa: S104
        ],
        "ports": [{"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"}],
        "env": [{"name": name, "value": "/tmp"} for name in ("HOME", "TMPDIR")],  # noqa: S108 - in the container
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - as above
        "startupProbe": _probe(f"/v2/models/{NAME}/ready", period=1, failures=120),
        "readinessProbe": _probe(f"/v2/models/{NAME}/ready", period=5, failures=2),
        "livenessProbe": _probe(LIVE_PATH, period=5, failures=6),
        "securityContext": {**restricted(), "runAsNonRoot": True},
    }


def _probe(path: str, *, period: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": HTTP_PORT},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }
