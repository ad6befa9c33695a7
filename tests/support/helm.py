"""The Helm chart, rendered without a cluster."""

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.kube_api_server import cached_program

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/klever"
CASES_DIRECTORY = ROOT / "tests/data/chart/values"
CASES = tuple(sorted(path.stem for path in CASES_DIRECTORY.glob("*.yaml")))
"""Names of sets of values."""
DEFAULT = "default"
NAMESPACE = "klever"
WORKLOADS = ("Deployment", "StatefulSet", "Job")

Object = dict[str, Any]


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Helm. Skips if it was not built."""
    program = cached_program("helm")
    if program is None:
        pytest.skip("the Helm chart is NOT TESTED here: helm is missing; `task cluster:build` builds it")
    return subprocess.run([str(program), *arguments], capture_output=True, text=True, check=False)


def values_of(case: str) -> Path:
    """The file with the values of a case."""
    return CASES_DIRECTORY / f"{case}.yaml"


@cache
def template(case: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Render a case, with further arguments."""
    return helm(
        "template", "klever", str(CHART), "--namespace", NAMESPACE, "--values", str(values_of(case)), *arguments
    )


def rendered(case: str, *arguments: str) -> list[Object]:
    """The objects of a case, with those of hooks."""
    completed = template(case, *arguments)
    assert completed.returncode == 0, completed.stderr
    return [each for each in yaml.load_all(completed.stdout, yaml.CSafeLoader) if each]


def identity(manifest: Object) -> str:
    """The kind, the namespace and the name of an object."""
    metadata = manifest["metadata"]
    return f"{manifest['kind']} {metadata.get('namespace', '')}/{metadata['name']}"


def of_kind(objects: list[Object], *kinds: str) -> list[Object]:
    """The objects of some kinds."""
    return [each for each in objects if each["kind"] in kinds]


def pods(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """The pods of all workloads, as metadata and spec, with the identity of the workload."""
    for each in objects:
        if each["kind"] == "Pod":
            yield identity(each), each
        if each["kind"] in WORKLOADS:
            yield identity(each), each["spec"]["template"]


def containers(objects: list[Object]) -> Iterator[Object]:
    """The containers of all pods."""
    for _, pod in pods(objects):
        yield from pod["spec"]["containers"]


def environment(objects: list[Object], component: str) -> dict[str, str]:
    """The environment variables of a service; those from Secrets have the name of the Secret."""
    [container] = [each for each in containers(objects) if each["name"] == component]
    return {
        each["name"]: each["value"] if "value" in each else each["valueFrom"]["secretKeyRef"]["name"]
        for each in container.get("env", ())
    }
