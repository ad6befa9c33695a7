"""SeldonDeployments, and the names that Seldon Core's operator derives from them."""

from itertools import product

import pytest

from kleverkube.errors import UnsupportedOnClusterError
from kleverkube.labels import recorded
from kleverkube.manifest import Manifest
from kleverkube.naming import version_name
from kleverkube.options import ClusterOptions
from kleverkube.seldon.naming import predictor_name
from kleverkube.seldon.rendering import refusal, render
from kleverkube.seldon.seldon_deployments import predictors_of, seldon_deployment
from kleverkube.version import ServedVersion
from support.seldon_components import components, denials, derived_names
from support.served_versions import GOLDEN, SCALED, served

OPTIONS = ClusterOptions()
SERVINGS = ["a", "a-b", "iris", "x" * 63, "s-9", "a-b-c", f"a{'-b' * 31}"]
VARIANTS = ["c", "b-c", "v1", "y" * 63, "9", f"{'c-' * 31}c"]
REVISIONS = ["0" * 12, "61a2b0c6e1a8"]
VERSIONS = list(product(SERVINGS, VARIANTS, REVISIONS))


def deployed(*versions: ServedVersion, options: ClusterOptions = OPTIONS) -> Manifest:
    return render(versions, options)[-1]


def test_the_operator_derives_different_and_valid_names_from_all_versions() -> None:
    names = [name for serving, *rest in VERSIONS for name in derived_names(serving, predictor_name(serving, *rest))]
    assert len(set(names)) == len(names) == 3 * len(VERSIONS)
    assert all(name.isascii() and name[0].isalpha() and name[-1].isalnum() and len(name) <= 63 for name in names)


def test_the_operator_derives_no_name_of_a_service_of_klever() -> None:
    derived = {name for serving, *rest in VERSIONS for name in derived_names(serving, predictor_name(serving, *rest))}
    assert derived.isdisjoint({version_name(*version) for version in VERSIONS})


@pytest.mark.parametrize("name", GOLDEN)
def test_the_webhook_accepts_every_golden_serving(name: str) -> None:
    version, options = GOLDEN[name]
    assert denials(deployed(version, options=options)) == []
    assert denials(deployed(version, served(name="other"), options=options)) == []


@pytest.mark.parametrize("name", GOLDEN)
def test_the_operator_adds_neither_ports_nor_probes_nor_hooks_to_a_server(name: str) -> None:
    version, options = GOLDEN[name]
    [predictor] = deployed(version, options=options)["spec"]["predictors"]
    [server] = predictor["componentSpecs"][0]["spec"]["containers"]
    ports = [port["containerPort"] for port in server["ports"]]
    assert {"http", "metrics"} <= {port["name"] for port in server["ports"]}
    assert len(set(ports)) == len(ports)
    assert {"livenessProbe", "readinessProbe", "lifecycle"} <= server.keys()


@pytest.mark.parametrize("name", GOLDEN)
def test_pods_of_a_version_do_not_depend_on_the_versions_beside_it(name: str) -> None:
    """A change of the pods restarts them."""
    version, options = GOLDEN[name]
    before, after = served(name="earlier"), served(name="later")
    [alone] = components(deployed(version, options=options)).deployments
    together = components(deployed(before, version, after, options=options)).deployments
    assert together[1] == alone


def test_an_update_of_one_version_leaves_the_predictors_of_others_as_they_are() -> None:
    one, other = served(), served(name="other")
    before = predictors_of(deployed(one, other))
    after = predictors_of(deployed(other.model_copy(update={"trust": ("numpy:dtype",)}), one))
    assert before[0].manifest | {"traffic": 0} == after[1].manifest | {"traffic": 0}


def test_the_description_of_a_version_does_not_reach_its_pods() -> None:
    """An annotation of a predictor is one of its pods, which a change of it would restart."""
    version = served()
    [predictor] = predictors_of(deployed(version))
    assert recorded_version(predictor.version) == version
    assert predictor.manifest["annotations"] == {"seldon.io/no-engine": "true"}


def recorded_version(text: str) -> ServedVersion | None:
    return recorded({"klever.dev/version": text})


def test_traffic_sums_to_one_hundred_in_every_order() -> None:
    predictors = predictors_of(deployed(served(), served(name="other")))
    for each in (predictors, predictors[::-1], predictors[1:]):
        [first, *rest] = seldon_deployment("default", "iris", each, OPTIONS)["spec"]["predictors"]
        assert first["traffic"] == 100
        assert not any("traffic" in other for other in rest)


def test_a_predictor_of_somebody_else_is_left_out() -> None:
    stored = deployed(served())
    stored["spec"]["predictors"].append({"name": "main", "graph": {"name": "main"}})
    assert [each.name for each in predictors_of(stored)] == [predictors_of(deployed(served()))[0].name]


def test_autoscaling_leaves_replicas_to_an_autoscaler() -> None:
    version, options = GOLDEN["autoscaling"]
    [predictor] = deployed(version, options=options)["spec"]["predictors"]
    [component] = predictor["componentSpecs"]
    assert "replicas" not in predictor
    bounds = (component["hpaSpec"]["minReplicas"], component["hpaSpec"]["maxReplicas"])
    assert bounds == (SCALED.min_replicas, SCALED.max_replicas)
    assert [metric["resource"]["name"] for metric in component["hpaSpec"]["metricsv2"]] == ["cpu"]


def test_a_serving_whose_name_cannot_begin_the_name_of_a_service_is_refused() -> None:
    version = served(serving="9iris")
    assert "begins with a letter: rename the serving 9iris" in (refusal("9iris", version.variant, OPTIONS) or "")
    with pytest.raises(UnsupportedOnClusterError, match="rename the serving"):
        render([version], OPTIONS)
    assert refusal("iris", version.variant, OPTIONS) is None
