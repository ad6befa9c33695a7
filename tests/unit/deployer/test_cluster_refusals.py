"""Refusals of servings that a cluster does not support, before any object is applied."""

from pathlib import Path
from typing import Any

import pytest

from klever_deployer.adapters.kubernetes.backend import ClusterBackend
from klever_deployer.service.servers import Servers
from klever_deployer.settings import DeployerSettings
from kleverproto.serving_specs import ServingSpec
from kleverroutes.routing import Stage
from kleverroutes.versions import ServingName, deployments
from support.deployer import IRIS, digest

STICKY = {"traffic": {"weights": {"v2": 100}, "sticky": {"header": "x-user"}}}
COOKIE = {"traffic": {"weights": {"v2": 100}, "sticky": {"cookie": {"name": "klever"}}}}
CANARY = {"strategy": {"type": "canary", "steps": [50]}}
IDLE = {"minReplicas": 0, "maxReplicas": 2}


def stage(version: str, changes: dict[str, Any], **of_variant: Any) -> Stage:
    """A rollout from v1 to another version."""
    stable = ServingSpec.model_validate({"variants": [_variant("v1")]})
    wanted = ServingSpec.model_validate({"variants": [_variant(version) | of_variant], **changes})
    return Stage(IRIS, wanted, deployments(wanted, ()), deployments(stable, ()), stable)


def _variant(version: str) -> dict[str, Any]:
    return {"name": version, "model": f"library/iris:{version}", "digest": digest(version)}


def problem(settings: dict[str, Any], stage: Stage, work_dir: Path) -> str:
    """The message and the code of the problem; empty if there is none."""
    backend = ClusterBackend(DeployerSettings(work_dir=work_dir, **{"backend": "plain", **settings}))
    refusal = Servers(backend, "", ready_timeout=1.0, allow_commands=False).problem(stage)
    return f"{refusal.code}: {refusal.message}" if refusal is not None else ""


@pytest.mark.parametrize(
    ("settings", "stage", "words"),
    [
        ({}, stage("v2", STICKY | CANARY), "refused_by_proxy: Istio cannot keep clients at a version by the header"),
        (
            {"cluster_routes": "gateway-api"},
            stage("v2", COOKIE),
            "refused_by_proxy: the Gateway API cannot keep clients",
        ),
        (
            {},
            stage("v2", {}, autoscaling=IDLE, resources={"cpu": "1"}),
            "unsupported_here: variant v2 has minReplicas 0",
        ),
        ({}, stage("v2", {}, custom={"command": ["serve"]}), "commands_not_allowed"),
    ],
)
def test_what_it_cannot_express_is_a_problem_at_once(
    settings: dict[str, Any], stage: Stage, words: str, tmp_path: Path
) -> None:
    assert problem(settings, stage, tmp_path).startswith(words)


def test_a_header_keeps_clients_while_one_version_gets_all_requests(tmp_path: Path) -> None:
    assert problem({}, stage("v2", STICKY), tmp_path) == ""


def test_kserve_refuses_a_namespace_that_leaves_no_room_for_names(tmp_path: Path) -> None:
    backend = ClusterBackend(DeployerSettings(work_dir=tmp_path, backend="kserve"))
    [deployment] = stage("v2", {}).wanted
    refused = backend.workloads.refusal(ServingName("n" * 63, "iris"), deployment.variant)
    assert refused is not None
    assert "use one of at most 38 characters" in refused
