"""The accounts of the Helm chart have the permissions of deploy/kubernetes, which are tested there, and no others."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
import yaml

from support.helm import CASES, DEFAULT, ROOT, identity, of_kind, pods, rendered


class Permissions:
    """The permissions of a ServiceAccount, each with the namespace or `*`."""

    def __init__(self, objects: list[dict[str, Any]]) -> None:
        self._roles = {identity(each): each["rules"] for each in of_kind(objects, "Role", "ClusterRole")}
        self._bindings = of_kind(objects, "RoleBinding", "ClusterRoleBinding")

    def of(self, account: str) -> set[tuple[str, str, str, str]]:
        """The namespace, the group, the resource and the verb of each permission."""
        return {
            (binding["metadata"].get("namespace", "*"), group, resource, verb)
            for binding in self._bindings
            if account in [each["name"] for each in binding["subjects"]]
            for rule in self._rules(binding)
            for group, resource, verb in product(rule["apiGroups"], rule["resources"], rule["verbs"])
        }

    def _rules(self, binding: dict[str, Any]) -> list[dict[str, Any]]:
        role = binding["roleRef"]
        namespace = binding["metadata"]["namespace"] if role["kind"] == "Role" else ""
        return list(self._roles[f"{role['kind']} {namespace}/{role['name']}"])


def sources(*names: str) -> Permissions:
    """The permissions in files of deploy/kubernetes."""

    def objects() -> Iterator[dict[str, Any]]:
        for name in names:
            yield from yaml.safe_load_all((ROOT / "deploy/kubernetes" / f"{name}.yaml").read_text())

    return Permissions(list(objects()))


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        ((), ("rbac/backend-seldon", "rbac/routes-istio")),
        (("serving.backend=plain",), ("rbac/routes-istio",)),
        (("serving.backend=seldon",), ("rbac/backend-seldon", "rbac/routes-istio")),
        (("serving.backend=kserve", "traffic.kind=gatewayAPI"), ("rbac/backend-kserve", "rbac/routes-gateway-api")),
    ],
)
def test_the_deployer_has_the_permissions_of_its_backend_and_its_routes(
    arguments: tuple[str, ...], files: tuple[str, ...]
) -> None:
    granted = Permissions(rendered(DEFAULT, *(argument for each in arguments for argument in ("--set", each))))
    assert granted.of("klever-deployer") == sources("rbac/deployer", *files).of("klever-deployer")


def test_the_deployer_writes_in_the_namespaces_of_servings_only() -> None:
    granted = Permissions(rendered("air-gapped")).of("klever-deployer")
    created = {namespace for namespace, _, resource, verb in granted if (resource, verb) == ("deployments", "create")}
    assert created == {"team-1", "team-2"}
    everywhere = sources("rbac/deployer", "rbac/backend-seldon", "rbac/routes-istio").of("klever-deployer")
    assert {each[1:] for each in granted} == {each[1:] for each in everywhere}


def test_the_jobrunner_has_its_permissions_in_the_namespace_of_jobs() -> None:
    expected = sources("rbac/jobrunner").of("klever-jobrunner")
    assert Permissions(rendered(DEFAULT)).of("klever-jobrunner") == expected
    elsewhere = Permissions(rendered("air-gapped")).of("klever-jobrunner")
    assert elsewhere == {("ml-jobs", *each[1:]) for each in expected}


def test_the_gateway_creates_jobs_of_others_only_if_it_shows_them() -> None:
    expected = sources("custom-resources-rbac").of("klever-gateway")
    assert Permissions(rendered("air-gapped")).of("klever-gateway") == expected
    missing = {("*", "kleveross.io", "modeljobs", verb) for verb in ("create", "delete")}
    assert Permissions(rendered(DEFAULT)).of("klever-gateway") == expected - missing
    assert Permissions(rendered("own-nats")).of("klever-gateway") == set()


def test_users_have_the_permissions_of_the_repository() -> None:
    source = yaml.safe_load_all((ROOT / "deploy/kubernetes/custom-resources-rbac.yaml").read_text())
    roles = {identity(each): each for each in of_kind(list(source), "ClusterRole")}
    for each in of_kind(rendered(DEFAULT), "ClusterRole"):
        if "custom-resources-" not in each["metadata"]["name"].partition("gateway")[0]:
            continue
        original = roles[identity(each)]
        assert each["rules"] == original["rules"]
        assert original["metadata"]["labels"].items() <= each["metadata"]["labels"].items()


@pytest.mark.parametrize("case", CASES)
def test_services_without_requests_to_the_cluster_have_no_token_of_it(case: str) -> None:
    objects = rendered(case)
    granted = Permissions(objects)
    for name, pod in pods(objects):
        account = pod["spec"].get("serviceAccountName", "")
        has_permissions = bool(granted.of(account)) if account else False
        assert pod["spec"]["automountServiceAccountToken"] == has_permissions, name
    accounts = {each["metadata"]["name"] for each in of_kind(objects, "ServiceAccount")}
    assert {pod["spec"].get("serviceAccountName") for _, pod in pods(objects)} - {None} == accounts
