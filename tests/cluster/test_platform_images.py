"""Images of the platform are built from the checkout, and run with the restrictions that rendered pods have."""

from typing import Any

import pytest

from kleverkube.images import INITIALIZER
from modelfiles.runtimes import REPOSITORY
from support.cluster.cluster import Cluster
from support.waiting import eventually

WITHIN = 120.0
MODEL_SERVER = f"{REPOSITORY}/kleverserve"
IMPORTS = "import kleverserve.__main__, ctypes, onnxruntime, ssl, uvloop; print(onnxruntime.__version__)"


def restricted_pod(name: str, image: str, *command: str) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "Never",
        "command": list(command),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container], "restartPolicy": "Never"},
    }


@pytest.mark.parametrize(
    ("repository", "command", "expected"),
    [
        (MODEL_SERVER, ("python", "-P", "-c", IMPORTS), "1."),
        (MODEL_SERVER, ("python", "-P", "-m", "kleverserve", "--help"), "--model-dir"),
        (INITIALIZER, ("ormb-storage-initializer", "version"), "Version:"),
        (INITIALIZER, ("python", "-P", "-c", "import os; print(os.getuid())"), "65532"),
    ],
)
async def test_program_runs_in_its_image(
    own_cluster: Cluster,
    cluster_namespace: str,
    platform_images: dict[str, str],
    repository: str,
    command: tuple[str, ...],
    expected: str,
) -> None:
    pod = restricted_pod("program", platform_images[repository], *command)
    pod["metadata"]["namespace"] = cluster_namespace
    own_cluster.apply(pod)

    async def has_finished() -> bool:
        phase = own_cluster.get("pod", "program", "-n", cluster_namespace)["status"]["phase"]
        return phase in {"Succeeded", "Failed"}

    await eventually(has_finished, within=WITHIN, every=0.5)
    assert expected in own_cluster.kubectl("logs", "program", "-n", cluster_namespace)
