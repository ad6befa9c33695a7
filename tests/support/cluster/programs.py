"""The programs of a test cluster, built from the modules that tools/go pins."""

import sys
import time
from pathlib import Path

from support.go_tools import built

KUBERNETES = "1.34.4"
_STRIPPED = ("-trimpath", "-ldflags", "-s -w")
_VERSION = " ".join(
    f"-X {package}.{field}={value}"
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    for field, value in (
        ("gitVersion", f"v{KUBERNETES}"),
        ("gitMajor", KUBERNETES.split(".")[0]),
        ("gitMinor", KUBERNETES.split(".")[1]),
    )
)
"""Without it the API server calls itself v0.0.0, which clients do not accept."""
_VERSIONED = ("-trimpath", "-ldflags", f"-s -w {_VERSION}")
CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
NODE = ("kubelet", "kube-proxy")


def build(*, istio: bool = True) -> Path:
    """Builds all programs and returns their directory; what was built before takes seconds.

    Args:
        istio: whether Istio's control plane is built, too.
    """
    began = time.monotonic()
    for name in (*CONTROL_PLANE, *NODE):
        directory = built(f"k8s.io/kubernetes/cmd/{name}", "kubernetes", flags=_VERSIONED).parent
    built("github.com/coredns/coredns", "coredns", flags=_STRIPPED)
    built("github.com/kleveross/klever/tools/pause", "pause", flags=_STRIPPED)
    built("sigs.k8s.io/kwok/cmd/kwok", "kwok", flags=_STRIPPED)
    built("sigs.k8s.io/metrics-server/cmd/metrics-server", "metrics-server", flags=_STRIPPED)
    if istio:
        built("istio.io/istio/pilot/cmd/pilot-discovery", "istio", flags=_STRIPPED)
    print(f"cluster: programs built in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)  # noqa: T201
    return directory
