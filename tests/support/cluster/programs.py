"""The programs of a test cluster, built from the modules that tools/go pins."""

import time
from pathlib import Path

from support.go_tools import build_all, built, module_directory

KUBERNETES = "1.34.4"
KSERVE_PROGRAM = "kserve-manager"
HELM = "3.19.0"
_STRIPPED = ("-trimpath", "-ldflags", "-s -w")
_VERSION = " ".join(
    f"-X {package}.{field}={value}"
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    for field, value in (
        ("gitVersion", f"v{KUBERNETES}"),
        ("gitMajor", KUBERNETES.split(".", maxsplit=1)[0]),
        ("gitMinor", KUBERNETES.split(".")[1]),
    )
)
"""Linker flags that set the version; without them the API server reports v0.0.0, which clients do not accept."""
_VERSIONED = ("-trimpath", "-ldflags", f"-s -w {_VERSION}")
_HELM_VERSIONS = " ".join(
    f"-X helm.sh/helm/v3/{variable}={value}"
    for variable, value in (
        ("internal/version.version", f"v{HELM}"),
        *(
            (f"{package}.k8sVersion{part}", number)
            for package in ("pkg/chartutil", "pkg/lint/rules")
            for part, number in zip(("Major", "Minor"), KUBERNETES.split("."), strict=False)
        ),
    )
)
"""Linker flags that set the versions of Helm and of the Kubernetes for which it renders without a cluster."""
KUBERNETES_PROGRAMS = (
    *("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"),
    *("kubelet", "kube-proxy"),
)


def build() -> None:
    """Builds the programs of every cluster; what was built before takes seconds."""
    began = time.monotonic()
    build_all([f"k8s.io/kubernetes/cmd/{name}" for name in KUBERNETES_PROGRAMS], "kubernetes", flags=_VERSIONED)
    for name in ("coredns", "pause"):
        built(f"github.com/kleveross/klever/tools/{name}", name, flags=_STRIPPED)
    built("sigs.k8s.io/metrics-server/cmd/metrics-server", "metrics-server", flags=_STRIPPED)
    built("sigs.k8s.io/kwok/cmd/kwok", "kwok", flags=_STRIPPED)
    print(f"The programs of the cluster are up to date; that took {time.monotonic() - began:.0f} s.", flush=True)


def build_istio() -> Path:
    """Builds the control plane of Istio, and returns the path of the program."""
    return built("istio.io/istio/pilot/cmd/pilot-discovery", "istio", flags=_STRIPPED)


def build_kserve() -> None:
    """Builds the controller of KServe."""
    built("github.com/kserve/kserve/cmd/manager", "kserve", name=KSERVE_PROGRAM, flags=_STRIPPED)


def build_helm() -> None:
    """Builds Helm."""
    built("helm.sh/helm/v3/cmd/helm", "helm", flags=("-trimpath", "-ldflags", f"-s -w {_HELM_VERSIONS}"))


def istio_crds() -> Path:
    """The custom resource definitions of Istio."""
    return module_directory("istio.io/istio", "istio") / "manifests/charts/base/files/crd-all.gen.yaml"
