"""Routes that `klever deploy --dry-run` prints and `klever diff` compares.

`pytest tests/unit/klever/test_route_previews.py --update-golden` rewrites the files after a deliberate change.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

from klever.cli.dry_runs import YAML_WIDTH
from klever_deployer.adapters.kubernetes.backend import ClusterBackend
from klever_deployer.service.servers import Servers
from klever_deployer.settings import DeployerSettings
from kleverproto.serving_specs import ServingSpec
from kleverroutes.routing import Stage
from kleverroutes.versions import deployments
from support.deployer import IRIS
from support.previewed_servings import (
    EXTENSIONS,
    GOLDEN,
    ROUTES,
    Json,
    answers,
    document,
    printed_objects,
    rich_spec,
    run_command,
    variant,
)
from support.stub_gateway import stub_gateway

STICKY = {"traffic": {"weights": {"v1": 100}, "sticky": {"header": "x-user"}}}
COOKIE = {"traffic": {"weights": {"v1": 100}, "sticky": {"cookie": {"name": "klever"}}}}
CANARY = {"strategy": {"type": "canary", "steps": [50]}}
RETRIES = {"retries": {"attempts": 1}}
CONNECT = {"timeouts": {"connectSeconds": 0.5}}
NAMESPACE_RULE = {
    "traffic": {"weights": {"v1": 100}, "rules": [{"variant": "v1", "headers": {"namespace": {"exact": "a"}}}]}
}


def spec(*variants: Json, **settings: Any) -> ServingSpec:
    return ServingSpec.model_validate({"variants": list(variants) or [variant("v1")], **settings})


def dry_run(home: Path, wanted: ServingSpec, *arguments: str, applied: ServingSpec | None = None) -> Result:
    with stub_gateway(answers(document(wanted, applied))) as url:
        return run_command(url, home, "deploy", "--dry-run", *arguments)


def diff(home: Path, present: ServingSpec, wanted: ServingSpec, *arguments: str) -> Result:
    with stub_gateway(answers(document(wanted, present), document(present, present))) as url:
        return run_command(url, home, "diff", "--backend", "plain", *arguments)


def routes_of(result: Result) -> list[Json]:
    return [each for each in printed_objects(result) if each["kind"] in ROUTES]


@pytest.mark.parametrize(("routes", "arguments"), [("istio", ()), ("gateway-api", EXTENSIONS)])
@pytest.mark.parametrize("backend", ["plain", "seldon", "kserve"])
def test_routes_are_the_golden_ones(
    routes: str, arguments: tuple[str, ...], backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    result = dry_run(tmp_path, rich_spec(), "--backend", backend, "--routes", routes, *arguments)
    text = yaml.safe_dump_all(routes_of(result), sort_keys=False, width=YAML_WIDTH)
    golden = GOLDEN / f"{routes}.yaml"
    if request.config.getoption("--update-golden"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize(
    ("arguments", "kinds"),
    [
        ((), ["DestinationRule", "VirtualService"]),
        (("--routes", "gateway-api"), ["HTTPRoute"] * 5),
        (("--routes", "none"), []),
    ],
)
def test_objects_of_the_named_data_plane_follow_those_of_versions(
    arguments: tuple[str, ...], kinds: list[str], tmp_path: Path
) -> None:
    printed = [each["kind"] for each in printed_objects(dry_run(tmp_path, spec(), *arguments))]
    assert printed == ["NetworkPolicy", "Service", "Deployment", *kinds]


@pytest.mark.parametrize(
    ("routes", "gateways"),
    [
        ("istio", ["edge/public"]),
        ("gateway-api", [{"name": "public", "namespace": "edge"}]),
    ],
)
def test_requests_enter_by_the_named_gateway(routes: str, gateways: list[object], tmp_path: Path) -> None:
    *_others, last = routes_of(dry_run(tmp_path, spec(), "--routes", routes, "--gateway", "edge/public"))
    assert last["spec"].get("gateways", last["spec"].get("parentRefs")) == gateways


def test_a_rollout_is_printed_as_it_ends(tmp_path: Path) -> None:
    wanted = spec(variant("v1", env={"A": "b"}), **CANARY)
    rule, service = routes_of(dry_run(tmp_path, wanted, applied=spec()))
    weights = next(each for each in service["spec"]["http"] if each["name"] == "weights")
    [destination] = weights["route"]
    assert (destination["weight"], destination["destination"]["host"]) == (100, rule["spec"]["host"])


def problem(wanted: ServingSpec, applied: ServingSpec | None, settings: dict[str, Any], work_dir: Path) -> str:
    """The message with which a deployer refuses a serving."""
    backend = ClusterBackend(DeployerSettings(work_dir=work_dir, backend="plain", **settings))
    stage = Stage(IRIS, wanted, deployments(wanted, ()), deployments(applied, ()), applied)
    refused = Servers(backend, "", ready_timeout=1.0, allow_commands=False).problem(stage)
    assert refused is not None
    return refused.message


@pytest.mark.parametrize(
    ("routes", "wanted", "applied"),
    [
        ("istio", spec(variant("v1", env={"A": "b"}), **STICKY, **CANARY), spec()),
        ("gateway-api", spec(**COOKIE), None),
        ("gateway-api", spec(**RETRIES, **CONNECT), None),
    ],
    ids=["canary-with-sticky-header", "cookie", "retries-and-connect-timeout"],
)
def test_a_refusal_is_the_sentence_of_the_deployer(
    routes: str, wanted: ServingSpec, applied: ServingSpec | None, tmp_path: Path
) -> None:
    result = dry_run(tmp_path, wanted, "--routes", routes, applied=applied)
    assert (result.exit_code, result.stdout) == (1, "")
    assert problem(wanted, applied, {"cluster_routes": routes}, tmp_path) in " ".join(result.stderr.split())
    assert dry_run(tmp_path, wanted, "--routes", "none", applied=applied).exit_code == 0


def test_a_rule_that_grpc_does_not_permit_is_refused_for_a_server_with_grpc_only(tmp_path: Path) -> None:
    with_grpc = dry_run(tmp_path, spec(variant("v1", runtime="triton"), **NAMESPACE_RULE))
    assert (with_grpc.exit_code, "cannot be combined with gRPC" in with_grpc.stderr) == (1, True)
    assert dry_run(tmp_path, spec(**NAMESPACE_RULE)).exit_code == 0


def test_a_changed_weight_is_a_difference_of_routes(tmp_path: Path) -> None:
    shares = [{"traffic": {"weights": {"v1": weight, "v2": 100 - weight}}} for weight in (90, 60)]
    present, wanted = (spec(variant("v1"), variant("v2"), **each) for each in shares)
    result = diff(tmp_path, present, wanted)
    assert result.exit_code == 1, result.output
    lines = result.stdout.splitlines()
    heads = [line for line in lines if line.startswith(("---", "+++"))]
    assert heads == ["--- VirtualService default/iris", "+++ VirtualService default/iris"]
    assert {"-      weight: 90", "+      weight: 60"} <= set(lines)
    assert (diff(tmp_path, present, wanted, "--routes", "none").stdout) == ""


def test_equal_routes_are_no_difference(tmp_path: Path) -> None:
    for routes in ("istio", "gateway-api"):
        result = diff(tmp_path, spec(), spec(), "--routes", routes)
        assert (result.exit_code, result.output) == (0, "")


def test_a_refused_route_is_an_error_and_no_difference(tmp_path: Path) -> None:
    result = diff(tmp_path, spec(), spec(**COOKIE), "--routes", "gateway-api")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "the Gateway API cannot keep clients at a version" in result.stderr


def test_a_present_serving_without_such_a_route_is_named(tmp_path: Path) -> None:
    result = diff(tmp_path, spec(**COOKIE), spec(), "--routes", "gateway-api")
    assert (result.exit_code, result.stdout) == (2, "")
    words = " ".join(result.stderr.split())
    assert "the present serving cannot be rendered: the Gateway API cannot keep clients" in words
    assert words.endswith("Compare the documents, without --backend")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--routes", "none", "--gateway", "a/b"), "--gateway: not used with --routes none"),
        (EXTENSIONS, "--sticky-extension, --retries-extension: requires --routes gateway-api"),
        (("--gateway", "public"), "'public' does not have the form namespace/name"),
        (("--gateway", "a/b\n"), "'a/b\\n' does not have the form namespace/name"),
        (("--routes", "gateway-api", "--sticky-extension", "a/b"), "'a/b' does not have the form group/kind/name"),
        (("--routes", "nginx"), "'nginx' is not one of"),
    ],
)
def test_options_that_do_not_fit_are_refused(arguments: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    result = dry_run(tmp_path, spec(), *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert sentence in result.stderr
