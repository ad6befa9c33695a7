"""Accounts of services on a cluster, as `deploy/kubernetes/rbac` defines them, and the requests that they make."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from support.kube_api_server import audit_log
from support.kubectl import run_kubectl

RBAC = Path(__file__).parents[2] / "deploy/kubernetes/rbac"
NAMESPACE = "klever"
DEPLOYER, JOBRUNNER = "klever-deployer", "klever-jobrunner"
"""Names of accounts."""
CREATED = 201
"""Status of a server-side apply that has created an object, for which `patch` is not sufficient."""


@dataclass(frozen=True, order=True)
class Permission:
    """A verb for a kind of objects."""

    group: str
    resource: str
    verb: str


@dataclass(frozen=True)
class Account:
    """The account of a service on a cluster.

    Attributes:
        name: name of the ServiceAccount.
        administrator: a kubeconfig of someone who may grant permissions.
        kubeconfig: kubeconfig file of the account.
        first_byte: the end of the audit log when the permissions were granted: earlier requests are of other tests.
    """

    name: str
    administrator: Path
    kubeconfig: Path
    first_byte: int

    def used(self) -> set[Permission]:
        """The permissions that the account's requests have needed since it was granted them, and had."""
        lines = audit_log(self.administrator).read_bytes()[self.first_byte :].splitlines()
        return {each for line in lines for each in _needed(line, self.name)}

    def granted(self) -> set[Permission]:
        """Return the permissions that the files grant to the account."""
        return {
            Permission(group, resource, verb)
            for role in _roles_of(self.name)
            for rule in role["rules"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Runs kubectl as the administrator, and returns its output."""
        return run_kubectl(self.administrator, *arguments, stdin=stdin)

    def has(self, permission: Permission) -> bool:
        """Return whether the API server grants a permission in the namespace of the platform."""
        resource, _, subresource = permission.resource.partition("/")
        asked = {"group": permission.group, "resource": resource, "subresource": subresource, "verb": permission.verb}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": _user(self.name), "resourceAttributes": {**asked, "namespace": NAMESPACE}},
        }
        response = self.kubectl("create", "--filename=-", "--output=json", stdin=json.dumps(review))
        return bool(json.loads(response)["status"]["allowed"])

    def without(self, permission: Permission) -> None:
        """Take a permission away from the account."""
        for role in _roles_of(self.name):
            rules = [rule for each in role["rules"] for rule in _rules_without(each, permission)]
            self.kubectl("apply", "--filename=-", "--server-side", "--force-conflicts", stdin=_json(role, rules))

    def restore(self) -> None:
        """Grant all permissions again."""
        _apply_files(self.administrator)


def grant(administrator: Path, name: str) -> Account:
    """Define an account with its permissions.

    Args:
        administrator: a kubeconfig.
        name: name of the account.
    """
    _apply_files(administrator)
    token = run_kubectl(administrator, "create", "token", name, "--namespace", NAMESPACE).strip()
    document = yaml.safe_load(administrator.read_text())
    document["users"] = [{"name": "administrator", "user": {"token": token}}]
    kubeconfig = administrator.parent / f"kubeconfig-of-{name}"
    kubeconfig.write_text(yaml.safe_dump(document))
    return Account(name, administrator, kubeconfig, audit_log(administrator).stat().st_size)


def _user(account: str) -> str:
    return f"system:serviceaccount:{NAMESPACE}:{account}"


def _roles_of(account: str) -> Iterator[dict[str, Any]]:
    """The roles that the files bind to an account."""
    documents = [each for file in sorted(RBAC.glob("*.yaml")) for each in yaml.safe_load_all(file.read_text())]
    bound = [each["roleRef"] for each in documents if account in (one["name"] for one in each.get("subjects", ()))]
    names = {(each["kind"], each["name"]) for each in bound}
    yield from (each for each in documents if "rules" in each and (each["kind"], each["metadata"]["name"]) in names)


def _rules_without(rule: dict[str, Any], permission: Permission) -> Iterator[dict[str, Any]]:
    for resource in rule["resources"]:
        lost = permission.group in rule["apiGroups"] and permission.resource == resource
        yield {
            **rule,
            "resources": [resource],
            "verbs": [each for each in rule["verbs"] if not lost or each != permission.verb],
        }


def _json(role: dict[str, Any], rules: list[dict[str, Any]]) -> str:
    return json.dumps({**role, "rules": [each for each in rules if each["verbs"]]})


def _needed(line: bytes, account: str) -> Iterator[Permission]:
    event = json.loads(line)
    if event["user"]["username"] != _user(account):
        return
    if event.get("annotations", {}).get("authorization.k8s.io/decision") != "allow" or "objectRef" not in event:
        return
    named = event["objectRef"]
    resource = "/".join(filter(None, (named["resource"], named.get("subresource"))))
    yield Permission(named.get("apiGroup", ""), resource, event["verb"])
    if event["verb"] == "patch" and event.get("responseStatus", {}).get("code") == CREATED:
        yield Permission(named.get("apiGroup", ""), resource, "create")


def _apply_files(administrator: Path) -> None:
    run_kubectl(administrator, "apply", "--server-side", "--force-conflicts", f"--filename={RBAC}")
