"""All problems of a Serving document are reported at once, each with its field."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from kleverproto.quantities import bytes_of, cores_of
from kleverproto.serving_specs import ServingManifest, ServingSpec

MANIFEST: dict[str, Any] = {
    "apiVersion": "klever.dev/v1alpha1",
    "kind": "Serving",
    "metadata": {"name": "iris"},
    "spec": {
        "variants": [
            {
                "name": "v1",
                "model": "library/iris:v1",
                "resources": {"cpu": "500m", "memory": "512Mi"},
                "autoscaling": {"minReplicas": 0, "maxReplicas": 4},
            },
            {"name": "v2", "model": "library/iris:v2", "custom": {"command": ["python", "serve.py", "$PORT"]}},
        ],
        "traffic": {
            "weights": {"v1": 90, "v2": 10},
            "rules": [{"headers": {"x-team": {"exact": "ml"}, "x-user": {"regex": "a.*"}}, "variant": "v2"}],
            "mirror": {"variant": "v2", "percent": 5},
            "sticky": {"cookie": {"name": "klever"}},
        },
        "strategy": {"type": "canary", "steps": [10, 50], "intervalSeconds": 30, "analysis": {"maxP99Ms": 250}},
        "retries": {"attempts": 2, "onServerError": True},
        "timeouts": {"requestSeconds": 10},
    },
}


def problems(spec: Any) -> dict[str, str]:
    """Field to message."""
    with pytest.raises(ValidationError) as caught:
        ServingSpec.model_validate(spec)
    return {".".join(map(str, error["loc"])): error["msg"] for error in caught.value.errors()}


def test_a_whole_document_survives_a_round_trip() -> None:
    manifest = ServingManifest.model_validate(MANIFEST)
    assert manifest.metadata.namespace == "default"
    again = ServingManifest.model_validate_json(manifest.model_dump_json())
    assert again == manifest


@pytest.mark.parametrize("traffic", [{}, {"traffic": {}}, {"traffic": {"sticky": {"header": "x-user"}}}])
def test_a_single_variant_gets_all_traffic_by_default(traffic: dict[str, Any]) -> None:
    spec = {"variants": [{"name": "v1", "model": "library/iris:v1"}], **traffic}
    assert ServingSpec.model_validate(spec).traffic.weights == {"v1": 100}
    read = ServingSpec.model_validate_json(json.dumps(spec))
    assert read.traffic.weights == {"v1": 100}
    assert ServingSpec(variants=read.variants).traffic.weights == {"v1": 100}


@pytest.mark.parametrize("traffic", [{}, {"traffic": {}}, {"traffic": {"weights": {}}}])
def test_several_variants_without_weights_are_refused_with_an_example(traffic: dict[str, Any]) -> None:
    variants = [{"name": name, "model": f"library/iris:{name}"} for name in ("v1", "v2")]
    reported = problems({"variants": variants, **traffic})
    assert reported == {"traffic.weights": "say what percent each variant gets, such as {v1: 50, v2: 50}"}


def test_all_problems_are_reported_at_once_each_with_its_field() -> None:
    reported = problems(
        {
            "variants": [
                {"name": "v1", "model": "iris", "replicas": 0},
                {"name": "v1", "model": "library/iris:v1", "runtime": "triton", "custom": {"command": ["x"]}},
            ],
            "traffic": {
                "weights": {"v1": 50, "v3": 20},
                "rules": [{"headers": {"X-Team": {"exact": "ml"}}, "variant": "v4"}],
                "mirror": {"variant": "v5"},
            },
            "strategy": {"type": "canary", "steps": [50, 10]},
        }
    )
    assert set(reported) == {
        "variants.0.model",
        "variants.0.replicas",
        "variants.1",
        "traffic.rules.0.headers.X-Team.[key]",
        "strategy.canary",
        "variants",
        "traffic.weights.v3",
        "traffic.weights",
        "traffic.rules.0.variant",
        "traffic.mirror.variant",
    }
    assert reported["traffic.weights"] == "the weights sum to 70, not 100"
    assert "steps must grow" in reported["strategy.canary"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"headers": {"a": {"exact": "x", "prefix": "y"}}, "variant": "v1"}, "one of exact, prefix and regex"),
        ({"headers": {"a": {"exact": "x\r\ny: z"}}, "variant": "v1"}, "pattern"),
        ({"headers": {"a": {"exact": " x"}}, "variant": "v1"}, "pattern"),
        ({"headers": {"a": {"prefix": "\x00"}}, "variant": "v1"}, "pattern"),
        ({"headers": {":path": {"exact": "x"}}, "variant": "v1"}, "pattern"),
        ({"headers": {"a b": {"exact": "x"}}, "variant": "v1"}, "pattern"),
        ({"headers": {}, "variant": "v1"}, "at least 1 item"),
    ],
)
def test_a_rule_that_the_ingress_does_not_support_is_refused(change: dict[str, Any], complaint: str) -> None:
    variants = [{"name": "v1", "model": "library/iris:v1"}]
    reported = problems({"variants": variants, "traffic": {"weights": {"v1": 100}, "rules": [change]}})
    assert any(complaint in message for message in reported.values()), reported


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"resources": {"cpu": "0"}}, "is zero"),
        ({"resources": {"memory": "12 GB"}}, "such as 512Mi"),
        ({"resources": {"memory": "1m"}}, "less than one byte"),
        ({"autoscaling": {"minReplicas": 5, "maxReplicas": 2}}, "above maxReplicas"),
        ({"custom": {}}, "give a command, an image, or both"),
        ({"runtime": "tfserving"}, "'kleverserve', 'triton', 'mlserver' or 'openscoring'"),
        ({"env": {"A-B": "x"}}, "pattern"),
        ({"env": {"A": "x\x00y"}}, "pattern"),
        ({"env": {"LD_PRELOAD": "/models/x.so"}}, "what code a model server loads"),
        ({"env": {"PYTHONPATH": "/models"}}, "what code a model server loads"),
        ({"env": {"java_tool_options": "-javaagent:x"}}, "what code a model server loads"),
    ],
)
def test_a_variant_with_conflicting_settings_is_refused(change: dict[str, Any], complaint: str) -> None:
    variants = [{"name": "v1", "model": "library/iris:v1", **change}]
    reported = problems({"variants": variants, "traffic": {"weights": {"v1": 100}}})
    assert any(complaint in message for message in reported.values()), reported


@pytest.mark.parametrize("junk", [None, [], {"variants": 3, "traffic": "no"}, {"variants": [None], "traffic": {}}])
def test_a_value_that_is_not_a_spec_is_refused_too(junk: Any) -> None:
    assert problems(junk)


def test_quantities_are_those_of_kubernetes() -> None:
    assert (cores_of("500m"), cores_of("2"), cores_of("1.5")) == (0.5, 2.0, 1.5)
    assert (bytes_of("512Mi"), bytes_of("1G"), bytes_of("100")) == (512 * 1024**2, 10**9, 100)
