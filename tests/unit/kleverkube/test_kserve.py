"""Versions as InferenceServices of KServe."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kleverkube.containers import KSERVE_SERVER
from kleverkube.errors import UnsupportedOnClusterError
from kleverkube.kserve.inference_services import AUTOSCALER, MODE
from kleverkube.kserve.names import deployment_name, inference_service_name
from kleverkube.kserve.operators import URI_PREFIX, runtime_name, serving_runtimes, storage_container
from kleverkube.kserve.rendering import kserve_refusal, render_for_kserve
from kleverkube.labels import recorded
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkube.rendering import render
from kleverkube.version import ServedVersion
from kleverproto.references import DNS_LABEL_PATTERN
from kleverproto.variants import CUSTOM, Autoscaling, Custom, Resources
from modelfiles.runtimes import RUNTIMES
from ormb.cli.initializer import SCHEMES
from support.served_versions import GOLDEN, SCALED, served

OPTIONS = ClusterOptions()
LABELS = st.from_regex(DNS_LABEL_PATTERN, fullmatch=True)
NAMESPACES = st.from_regex(r"[a-z]([-a-z0-9]{0,37}[a-z0-9])?", fullmatch=True)
NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
"""Pattern that KServe requires for names."""
CPU = Resources(cpu="1")


def objects(
    version: ServedVersion, options: ClusterOptions = OPTIONS, replicas: int | None = None
) -> dict[str, Manifest]:
    return {each["kind"]: each for each in render_for_kserve(version, options, replicas)}


@given(NAMESPACES, LABELS, LABELS)
def test_what_kserve_derives_from_a_name_is_not_too_long(namespace: str, serving: str, variant: str) -> None:
    name = inference_service_name(namespace, serving, variant, "0123456789ab")
    assert NAME.fullmatch(name)
    assert len(f"isvc.{name}-predictor") <= 63
    assert len(f"{name}-predictor-{namespace}") <= 63


def test_names_of_different_versions_differ_when_they_are_shortened() -> None:
    long = "a" * 63
    versions = [(long, long, "1"), (long, f"{long[:62]}b", "1"), (long, long, "2")]
    assert len({inference_service_name("n" * 38, *version) for version in versions}) == 3


def test_a_namespace_that_leaves_no_room_for_a_name_is_refused_with_the_longest() -> None:
    variant = served().variant
    assert kserve_refusal("n" * 38, variant, OPTIONS) is None
    refused = kserve_refusal("n" * 39, variant, OPTIONS)
    assert refused is not None
    assert "at most 38 characters" in refused


def test_kserve_makes_no_route_and_runs_without_knative() -> None:
    metadata = objects(served())["InferenceService"]["metadata"]
    assert metadata["labels"]["networking.kserve.io/visibility"] == "cluster-local"
    assert metadata["annotations"][MODE] == "Standard"
    older = objects(served(), ClusterOptions(kserve_mode="RawDeployment"))["InferenceService"]["metadata"]
    assert older["annotations"][MODE] == "RawDeployment"


def test_kserve_runs_the_pods_of_the_plain_backend() -> None:
    for version, options in GOLDEN.values():
        plain = next(each for each in render(version, options) if each["kind"] == "Deployment")
        pod = plain["spec"]["template"]["spec"]
        predictor = objects(version, options)["InferenceService"]["spec"]["predictor"]
        assert [each["name"] for each in predictor["containers"]] == [KSERVE_SERVER]
        predictor["containers"][0]["name"] = pod["containers"][0]["name"]
        assert {name: predictor[name] for name in pod} == pod
        assert set(predictor) - set(pod) <= {"minReplicas", "maxReplicas", "deploymentStrategy"}


def test_a_fixed_number_of_replicas_is_set_by_kserve() -> None:
    service = objects(served(replicas=3))["InferenceService"]
    assert service["metadata"]["annotations"][AUTOSCALER] == "none"
    assert service["spec"]["predictor"]["minReplicas"] == 3
    assert objects(served(replicas=3), replicas=0)["InferenceService"]["spec"]["predictor"]["minReplicas"] == 0


def test_there_is_one_autoscaler_and_it_scales_the_deployment_of_kserve() -> None:
    version = served(autoscaling=SCALED, resources=CPU)
    rendered = objects(version)
    assert rendered["InferenceService"]["metadata"]["annotations"][AUTOSCALER] == "external"
    target = rendered["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"]
    assert target == f"{rendered['InferenceService']['metadata']['name']}-predictor"
    assert target == deployment_name("default", "iris", "v1", version.revision)


@pytest.mark.parametrize("changes", [{"replicas": 5}, {"autoscaling": Autoscaling(min_replicas=2, max_replicas=9)}])
def test_what_kserve_copies_to_pods_changes_with_the_revision_only(changes: dict[str, Any]) -> None:
    """Except for the class of the autoscaler: KServe replaces the pods when autoscaling begins or ends."""
    before = objects(served(resources=CPU))["InferenceService"]["metadata"]
    after = objects(served(resources=CPU, **changes))["InferenceService"]["metadata"]
    assert before["name"] == after["name"]
    assert before["labels"] == after["labels"]
    assert recorded(before["annotations"]) == recorded(after["annotations"])
    assert recorded(before["annotations"]) is not None


def test_a_variable_that_kserve_refuses_is_refused_first() -> None:
    version = served("", CUSTOM, custom=Custom(image="server"), env={"PYTHONPATH": "/model"})
    refused = kserve_refusal("default", version.variant, OPTIONS)
    assert refused is not None
    assert "Remove it from env" in refused
    with pytest.raises(UnsupportedOnClusterError, match="PYTHONPATH"):
        render_for_kserve(version, OPTIONS)


def test_what_no_cluster_can_run_is_refused_as_well() -> None:
    assert "resources.cpu" in str(kserve_refusal("default", served(autoscaling=SCALED).variant, OPTIONS))


def test_the_storage_container_is_the_initializer_and_its_prefix_is_one_that_it_reads() -> None:
    spec = storage_container(OPTIONS)["spec"]
    assert spec["container"]["name"] == "storage-initializer"
    assert spec["supportedUriFormats"] == [{"prefix": URI_PREFIX}]
    assert URI_PREFIX in SCHEMES


def test_each_format_of_the_built_in_server_has_a_runtime() -> None:
    runtimes = {each["metadata"]["name"]: each["spec"] for each in serving_runtimes(OPTIONS)}
    assert runtimes.keys() == {runtime_name(each) for each in RUNTIMES["kleverserve"].formats}
    [container] = runtimes["kleverserve-lightgbm"]["containers"]
    assert container["image"].startswith("ghcr.io/kleveross/kleverserve-sklearn:")
    assert container["args"][:4] == ["--model-dir", "/mnt/models", "--format", "LightGBM"]
