"""`klever deploy --dry-run`: Kubernetes objects of the serving as it would be."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import Result

from klever.cli.dry_runs import BACKENDS
from kleverkube.backends import RENDERERS
from kleverproto.serving_specs import ServingSpec
from support.previewed_servings import answers, document, run_command, variant
from support.served_versions import REGISTRY
from support.stub_gateway import stub_gateway

ROUTES = ("DestinationRule", "VirtualService")
SERVING = document(ServingSpec.model_validate({"variants": [variant("v1")]}))


def dry_run(model_format: str, home: Path, *arguments: str, is_dry: bool = True, registry: str = REGISTRY) -> Result:
    responses = answers(SERVING, model_format=model_format, registry=registry, trust=("numpy:dtype",))
    with stub_gateway(responses) as url:
        return run_command(url, home, "deploy", *(["--dry-run"] if is_dry else []), *arguments)


def test_the_objects_are_printed_as_yaml(tmp_path: Path) -> None:
    result = dry_run("SKLearn", tmp_path, "-o", "yaml", "--backend", "plain", "--plain-http")
    assert result.exit_code == 0, result.output
    objects = list(yaml.safe_load_all(result.stdout))
    assert [each["kind"] for each in objects] == ["NetworkPolicy", "Service", "Deployment", *ROUTES]
    [server] = objects[2]["spec"]["template"]["spec"]["containers"]
    assert server["image"].startswith("ghcr.io/kleveross/kleverserve-sklearn:")
    assert server["args"][-2:] == ["--trust", "numpy:dtype"]
    [initializer] = objects[2]["spec"]["template"]["spec"]["initContainers"]
    assert {"name": "ORMB_PLAIN_HTTP", "value": "1"} in initializer["env"]


def test_the_objects_of_seldon_core_are_printed(tmp_path: Path) -> None:
    result = dry_run("ONNX", tmp_path, "--backend", "seldon")
    objects = list(yaml.safe_load_all(result.stdout))
    assert [each["kind"] for each in objects] == ["NetworkPolicy", "Service", "SeldonDeployment", *ROUTES]
    [predictor] = objects[2]["spec"]["predictors"]
    assert predictor["componentSpecs"][0]["spec"]["containers"][0]["name"] == predictor["graph"]["name"]


def test_each_backend_can_be_chosen() -> None:
    assert set(BACKENDS) == RENDERERS.keys()


@pytest.mark.parametrize("arguments", [("-o", "json"), ("--json",)])
def test_the_objects_are_printed_as_one_list_in_json(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = dry_run("ONNX", tmp_path, *arguments)
    objects = json.loads(result.stdout)
    assert (objects["kind"], len(objects["items"])) == ("List", 5)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("registry", "form"), [("127.0.0.1:5000", "yaml"), ("localhost:5000", "json")])
def test_registry_on_a_loopback_address_is_a_warning(tmp_path: Path, backend: str, registry: str, form: str) -> None:
    result = dry_run("ONNX", tmp_path, "--backend", backend, "-o", form, registry=registry)
    assert result.exit_code == 0, result.output
    assert next(iter(yaml.safe_load_all(result.stdout)))["kind"] in {"NetworkPolicy", "List"}
    assert result.stderr.startswith(f"Warning: pods cannot pull models from {registry}, a loopback address: ")
    assert "--pod-registry HOST:PORT" in result.stderr
    assert "KLEVER_DEPLOYER_CLUSTER_REGISTRIES" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_pods_pull_from_the_address_of_the_option(tmp_path: Path) -> None:
    result = dry_run("ONNX", tmp_path, "--pod-registry", "192.0.2.10:5000", registry="127.0.0.1:5000")
    assert (result.exit_code, result.stderr) == (0, "")
    objects = {each["kind"]: each for each in yaml.safe_load_all(result.stdout)}
    [initializer] = objects["Deployment"]["spec"]["template"]["spec"]["initContainers"]
    assert initializer["args"][1].startswith("192.0.2.10:5000/library/iris@")
    assert {"name": "ORMB_PLAIN_HTTP", "value": "1"} in initializer["env"]


def test_option_does_not_replace_a_registry_that_pods_reach(tmp_path: Path) -> None:
    result = dry_run("ONNX", tmp_path, "--pod-registry", "192.0.2.10:5000")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "192.0.2.10" not in result.stdout
    assert "registry.example.com/library/iris@" in result.stdout


def test_option_with_a_loopback_address_is_a_warning(tmp_path: Path) -> None:
    result = dry_run("ONNX", tmp_path, "--pod-registry", "[::1]:5001", registry="127.0.0.1:5000")
    assert result.exit_code == 0
    assert "pods cannot pull models from [::1]:5001" in result.stderr


@pytest.mark.parametrize(
    "option",
    [
        ("--backend", "seldon"),
        ("--plain-http",),
        ("--pod-registry", "192.0.2.10:5000"),
        ("--routes", "istio"),
        ("--gateway", "a/b"),
        ("-o", "yaml"),
    ],
)
def test_an_option_of_objects_deploys_nothing_without_a_dry_run(tmp_path: Path, option: tuple[str, ...]) -> None:
    result = dry_run("ONNX", tmp_path, *option, "--no-wait", is_dry=False)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "requires --dry-run" in result.stderr


@pytest.mark.parametrize(
    ("model_format", "sentence"), [("H5", "Convert it with `klever convert`"), ("GGUF", "`custom.image`")]
)
def test_a_model_that_no_image_serves_is_refused(tmp_path: Path, model_format: str, sentence: str) -> None:
    result = dry_run(model_format, tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert sentence in result.stderr


def test_the_objects_of_kserve_are_printed_for_its_backend(tmp_path: Path) -> None:
    result = dry_run("ONNX", tmp_path, "--backend", "kserve")
    assert result.exit_code == 0, result.output
    kinds = [each["kind"] for each in yaml.safe_load_all(result.stdout)]
    assert kinds == ["NetworkPolicy", "Service", "InferenceService", *ROUTES]
