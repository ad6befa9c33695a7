"""The deployer's account on a cluster, as `deploy/kubernetes/rbac` defines it, and the requests that it makes."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from support.kube_api_server import audit_log, cached_program

RBAC = Path(__file__).parents[2] / "deploy/kubernetes/rbac"
NAMESPACE, ACCOUNT = "klever", "klever-deployer"
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
    """The account on a cluster.

    Attributes:
        administrator: a kubeconfig of someone who may grant permissions.
        kubeconfig: of the account.
    """

    administrator: Path
    kubeconfig: Path

    def used(self) -> set[Permission]:
        """The permissions that the account's requests needed so far, and had."""
        return {each for line in audit_log(self.administrator).read_text().splitlines() for each in _needed(line)}

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Runs kubectl as the administrator, and returns its output."""
        return _kubectl(self.administrator, *arguments, stdin=stdin)

    def without(self, permission: Permission) -> None:
        """Take a permission away from the account."""
        for role in _roles():
            rules = [rule for each in role["rules"] for rule in _rules_without(each, permission)]
            self.kubectl("apply", "--filename=-", "--server-side", "--force-conflicts", stdin=_json(role, rules))

    def restore(self) -> None:
        """Grant all permissions again."""
        _apply_files(self.administrator)


def grant(administrator: Path) -> Account:
    """Define the account with its permissions.

    Args:
        administrator: a kubeconfig.
    """
    _apply_files(administrator)
    token = _kubectl(administrator, "create", "token", ACCOUNT, "--namespace", NAMESPACE).strip()
    document = yaml.safe_load(administrator.read_text())
    document["users"] = [{"name": "administrator", "user": {"token": token}}]
    kubeconfig = administrator.parent / "kubeconfig-of-the-deployer"
    kubeconfig.write_text(yaml.safe_dump(document))
    return Account(administrator, kubeconfig)


def granted() -> set[Permission]:
    """What the files grant."""
    return {
        Permission(group, resource, verb)
        for role in _roles()
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def _roles() -> Iterator[dict[str, Any]]:
    for file in sorted(RBAC.glob("*.yaml")):
        yield from (each for each in yaml.safe_load_all(file.read_text()) if "rules" in each)


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


def _needed(line: str) -> Iterator[Permission]:
    event = json.loads(line)
    if event["user"]["username"] != f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}":
        return
    if event.get("annotations", {}).get("authorization.k8s.io/decision") != "allow" or "objectRef" not in event:
        return
    named = event["objectRef"]
    resource = "/".join(filter(None, (named["resource"], named.get("subresource"))))
    yield Permission(named.get("apiGroup", ""), resource, event["verb"])
    if event["verb"] == "patch" and event.get("responseStatus", {}).get("code") == CREATED:
        yield Permission(named.get("apiGroup", ""), resource, "create")


def _apply_files(administrator: Path) -> None:
    _kubectl(administrator, "apply", "--server-side", "--force-conflicts", f"--filename={RBAC}")


def _kubectl(kubeconfig: Path, *arguments: str, stdin: str | None = None) -> str:
    cache = kubeconfig.parent / "kubectl-cache"
    command = [str(cached_program("kubectl")), f"--kubeconfig={kubeconfig}", f"--cache-dir={cache}", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, input=stdin).stdout
