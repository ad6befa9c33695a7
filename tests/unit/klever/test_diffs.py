"""`klever diff`: the difference that a change makes, and the exit code."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

from klever.differences import objects_difference, serving_difference
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument
from support.previewed_servings import answers, document, run_klever, variant
from support.served_versions import REGISTRY
from support.stub_gateway import stub_gateway

MANIFEST = {"apiVersion": "klever.dev/v1alpha1", "kind": "Serving", "metadata": {"name": "iris"}}


def serving(**changes: Any) -> ServingDocument:
    return document(ServingSpec.model_validate({"variants": [variant("v1", **changes)]}))


def diff(
    home: Path,
    *arguments: str,
    present: ServingDocument | None,
    deployed: ServingDocument | None = None,
    registry: str = REGISTRY,
) -> Result:
    """Run the command. The gateway has a serving, and answers a dry run of its deployment."""
    with stub_gateway(answers(deployed, present, registry=registry)) as url:
        return run_klever(url, home, "diff", *arguments)


def test_a_changed_setting_is_a_line_of_a_unified_diff(tmp_path: Path) -> None:
    arguments = ("library/iris:v1", "--name", "iris", "--replicas", "3")
    result = diff(tmp_path, *arguments, present=serving(), deployed=serving(replicas=3))
    assert result.exit_code == 1, result.output
    lines = result.stdout.splitlines()
    assert lines[:2] == ["--- Serving default/iris", "+++ Serving default/iris"]
    changed = [line for line in lines[2:] if line.startswith(("-", "+"))]
    assert changed == ["-    replicas: 1", "+    replicas: 3"]


def test_a_serving_that_stays_as_it_is_prints_nothing(tmp_path: Path) -> None:
    result = diff(tmp_path, "library/iris:v1", present=serving(), deployed=serving())
    assert (result.exit_code, result.stdout) == (0, "")


def test_a_new_serving_has_added_lines_only() -> None:
    text = serving_difference(None, serving())
    assert text.startswith("--- /dev/null\n+++ Serving default/iris\n")
    assert not [line for line in text.splitlines()[3:] if not line.startswith("+")]
    document = yaml.safe_load("\n".join(line[1:] for line in text.splitlines()[3:]))
    assert document["metadata"] == {"name": "iris", "namespace": "default"}


def test_a_file_is_compared_with_the_serving(tmp_path: Path) -> None:
    """The stub answers a dry run like a read: with the serving as it is."""
    file = tmp_path / "serving.yaml"
    file.write_text(yaml.safe_dump(MANIFEST | {"spec": {"variants": [{"name": "v1", "model": "library/iris:v1"}]}}))
    result = diff(tmp_path, "-f", str(file), present=serving())
    assert (result.exit_code, result.stdout) == (0, "")


@pytest.mark.parametrize(("backend", "kind"), [("plain", "Deployment"), ("kserve", "InferenceService")])
def test_objects_of_a_cluster_are_compared_one_by_one(tmp_path: Path, backend: str, kind: str) -> None:
    arguments = ("library/iris:v1", "--name", "iris", "--backend", backend)
    result = diff(tmp_path, *arguments, present=serving(), deployed=serving(replicas=3))
    assert result.exit_code == 1, result.output
    heads = [line for line in result.stdout.splitlines() if line.startswith(("---", "+++"))]
    assert len(heads) == 2
    assert all(f" {kind} default/iris-v1-" in line for line in heads)


@pytest.mark.parametrize(("replicas", "code"), [(1, 0), (3, 1)])
def test_registry_on_a_loopback_address_is_one_warning(tmp_path: Path, replicas: int, code: int) -> None:
    arguments = ("library/iris:v1", "--name", "iris", "--backend", "plain")
    deployed = serving(replicas=replicas)
    result = diff(tmp_path, *arguments, present=serving(), deployed=deployed, registry="127.0.0.1:5000")
    assert (result.exit_code, bool(result.stdout)) == (code, bool(code)), result.output
    assert result.stderr.count("Warning: pods cannot pull models from 127.0.0.1:5000") == 1
    assert "--pod-registry HOST:PORT" in result.stderr


def test_without_a_backend_no_registry_is_a_warning(tmp_path: Path) -> None:
    arguments = ("library/iris:v1", "--name", "iris")
    result = diff(tmp_path, *arguments, present=serving(), deployed=serving(), registry="127.0.0.1:5000")
    assert (result.exit_code, result.output) == (0, "")


def test_another_revision_is_another_object(tmp_path: Path) -> None:
    arguments = ("library/iris:v1", "--name", "iris", "--backend", "plain")
    result = diff(tmp_path, *arguments, present=serving(), deployed=serving(env={"A": "b"}))
    heads = [line.split()[:2] for line in result.stdout.splitlines() if line.startswith(("---", "+++"))]
    assert heads.count(["+++", "/dev/null"]) == heads.count(["---", "/dev/null"]) == 4


def test_objects_without_a_difference_print_nothing() -> None:
    one = {"kind": "Service", "metadata": {"name": "a", "namespace": "b"}}
    assert objects_difference([one], [one]) == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-f", "{file}", "--replicas", "3", "-n", "other"), "--replicas, --namespace: not used with --file"),
        (("library/iris:v1", "--plain-http"), "--plain-http: requires --backend"),
        (("library/iris:v1", "--pod-registry", "a:1"), "--pod-registry: requires --backend"),
        (("library/iris:v1", "--routes", "none"), "--routes: requires --backend"),
    ],
)
def test_options_without_an_effect_are_refused(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    file = tmp_path / "serving.yaml"
    file.write_text(yaml.safe_dump(MANIFEST | {"spec": {"variants": [{"name": "v1", "model": "library/iris:v1"}]}}))
    given = [argument.format(file=file) for argument in arguments]
    result = diff(tmp_path, *given, present=serving(), deployed=serving())
    assert (result.exit_code, result.stdout) == (2, "")
    assert sentence in result.stderr


def test_a_file_that_is_not_text_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(b"\xff\xfe\x00")
    result = diff(tmp_path, "-f", str(file), present=None)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{file} is not a text file in UTF-8" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [("library/iris:v1", "--name", "other"), (), ("library/iris:v1", "-f", "serving.yaml"), ("-f", "missing")],
)
def test_an_error_is_not_a_difference(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = diff(tmp_path, *arguments, present=None)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr
