"""The objects that Seldon Core v1.17.1's operator makes of a SeldonDeployment, and what its webhook denies; pure.

Written from the behaviour of the real operator, for the part that predictors without an engine use.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from hashlib import md5

from kleverkube.manifest import Manifest

API_VERSION = "machinelearning.seldon.io/v1"
ID = "seldon-deployment-id"
FIRST_HTTP_PORT, FIRST_GRPC_PORT, FIRST_METRICS_PORT = 9000, 9500, 6000
LONGEST = 63


@dataclass(frozen=True)
class Components:
    """Objects that the operator creates for a SeldonDeployment."""

    deployments: list[Manifest]
    """Deployments, without `replicas` if an autoscaler determines the number."""
    services: list[Manifest]
    autoscalers: list[Manifest]


def derived_names(serving: str, predictor: str, container: str = "server") -> tuple[str, str, str]:
    """The names of the Deployment, the Service of the predictor, and the Service of the container."""
    return (
        _shortened(f"{serving}-{predictor}-0-{container}"),
        _shortened(f"{serving}-{predictor}"),
        _shortened(f"{serving}-{predictor}-{container}"),
    )


def denials(seldon_deployment: Manifest) -> list[str]:
    """The reasons why the webhook refuses an object."""
    predictors = seldon_deployment["spec"]["predictors"]
    return [*_traffic_denials(predictors), *(reason for each in predictors for reason in _graph_denials(each))]


def components(seldon_deployment: Manifest) -> Components:
    """The objects. The ports for metrics are numbered over all predictors."""
    made, metrics = Components([], [], []), FIRST_METRICS_PORT
    for predictor in deepcopy(seldon_deployment["spec"]["predictors"]):
        [component] = predictor["componentSpecs"]
        [container] = component["spec"]["containers"]
        metrics += _add_ports(container, metrics)
        made.deployments.append(_deployment(seldon_deployment, predictor, component, container))
        made.services.extend(_services(seldon_deployment, predictor, container))
        if "hpaSpec" in component:
            made.autoscalers.append(_autoscaler(seldon_deployment, made.deployments[-1], component["hpaSpec"]))
    return made


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST else f"seldon-{md5(name.encode(), usedforsecurity=False).hexdigest()}"


def _traffic_denials(predictors: list[Manifest]) -> Iterator[str]:
    total = sum(each.get("traffic", 0) for each in predictors)
    if total != 100 and (len(predictors) > 1 or total):
        yield "Traffic must sum to 100 for multiple predictors"
    if len({each["name"] for each in predictors}) < len(predictors):
        yield "Duplicate predictor name"
    if not predictors:
        yield "Graph contains no predictors"


def _graph_denials(predictor: Manifest) -> Iterator[str]:
    containers = [each for spec in predictor["componentSpecs"] for each in spec["spec"]["containers"]]
    if predictor["graph"]["name"] not in {each["name"] for each in containers}:
        yield "Can't find container for Predictive Unit"


def _add_ports(container: Manifest, metrics: int) -> int:
    """Add the ports that are missing; how many numbers of ports for metrics were used."""
    present = {port["name"] for port in container.setdefault("ports", [])}
    defaults = {"http": FIRST_HTTP_PORT, "grpc": FIRST_GRPC_PORT, "metrics": metrics}
    container["ports"] += [_port(name, number) for name, number in defaults.items() if name not in present]
    return 0 if "metrics" in present else 1


def _port(name: str, number: int) -> Manifest:
    return {"name": name, "containerPort": number, "protocol": "TCP"}


def _deployment(owner: Manifest, predictor: Manifest, component: Manifest, container: Manifest) -> Manifest:
    name, service, container_service = derived_names(_name(owner), predictor["name"], container["name"])
    selected = {ID: _name(owner), "seldon-app": service, f"seldon-app-svc-{container['name']}": container_service}
    labels = {
        "app": name,
        "fluentd": "true",
        "version": predictor["name"],
        **predictor.get("labels", {}),
        **component.get("metadata", {}).get("labels", {}),
        "seldon.io/model": "true",
        "app.kubernetes.io/managed-by": "seldon-core",
        **selected,
    }
    annotations = {"prometheus.io/scrape": "true", "prometheus.io/path": "/prometheus", **predictor["annotations"]}
    _complete(container, predictor, owner)
    pod = {"terminationGracePeriodSeconds": 20, **component["spec"]}
    pod["volumes"] = [*pod.get("volumes", ()), {"name": "seldon-podinfo", "downwardAPI": {"items": [_pod_info()]}}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(owner, name, labels, annotations),
        "spec": {
            **({"replicas": _replicas(owner, predictor)} if "hpaSpec" not in component else {}),
            "selector": {"matchLabels": selected},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
            "progressDeadlineSeconds": predictor.get("progressDeadlineSeconds", 600),
            "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod},
        },
    }


def _complete(container: Manifest, predictor: Manifest, owner: Manifest) -> None:
    """Defaults of the container, and the variables of Seldon's own servers."""
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    probe = {"tcpSocket": {"port": ports["http"]}, "periodSeconds": 5, "failureThreshold": 3, "timeoutSeconds": 1}
    container.setdefault("livenessProbe", {**probe, "initialDelaySeconds": 60})
    container.setdefault("readinessProbe", {**probe, "initialDelaySeconds": 20})
    container.setdefault("lifecycle", {"preStop": {"exec": {"command": ["/bin/sh", "-c", "/bin/sleep 10"]}}})
    container.setdefault("volumeMounts", []).append({"name": "seldon-podinfo", "mountPath": "/etc/podinfo"})
    variables = {
        "PREDICTIVE_UNIT_SERVICE_PORT": str(ports["http"]),
        "PREDICTIVE_UNIT_ID": container["name"],
        "MLSERVER_MODEL_NAME": container["name"],
        "PREDICTOR_ID": predictor["name"],
        "PREDICTOR_LABELS": json.dumps(predictor.get("labels", {}), sort_keys=True),
        "SELDON_DEPLOYMENT_ID": _name(owner),
        "PREDICTIVE_UNIT_METRICS_SERVICE_PORT": str(ports["metrics"]),
    }
    container.setdefault("env", []).extend({"name": name, "value": value} for name, value in variables.items())


def _pod_info() -> Manifest:
    return {"path": "annotations", "fieldRef": {"fieldPath": "metadata.annotations", "apiVersion": "v1"}}


def _replicas(owner: Manifest, predictor: Manifest) -> int:
    number: int = predictor.get("replicas", owner["spec"].get("replicas", 1))
    return number


def _services(owner: Manifest, predictor: Manifest, container: Manifest) -> Iterator[Manifest]:
    _, service, container_service = derived_names(_name(owner), predictor["name"], container["name"])
    numbers = {port["name"]: port["containerPort"] for port in container["ports"]}
    ports = [{"name": name, "port": numbers[name], "targetPort": numbers[name]} for name in ("http", "grpc")]
    key = f"seldon-app-svc-{container['name']}"
    for name, selector in ((container_service, {key: container_service}), (service, {"seldon-app": service})):
        labels = {ID: _name(owner), "seldon-app": service, "app.kubernetes.io/managed-by": "seldon-core"}
        yield {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": _metadata(owner, name, labels, predictor["annotations"]),
            "spec": {"type": "ClusterIP", "selector": selector, "ports": ports},
        }


def _autoscaler(owner: Manifest, deployment: Manifest, scaling: Manifest) -> Manifest:
    name = deployment["metadata"]["name"]
    bounds = {bound: scaling[bound] for bound in ("minReplicas", "maxReplicas") if bound in scaling}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _metadata(owner, name, {ID: _name(owner)}, {}),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            **bounds,
            "metrics": scaling["metricsv2"],
        },
    }


def _metadata(owner: Manifest, name: str, labels: dict[str, str], annotations: dict[str, str]) -> Manifest:
    metadata = owner["metadata"]
    reference = {
        "apiVersion": API_VERSION,
        "kind": "SeldonDeployment",
        "name": metadata["name"],
        "uid": metadata.get("uid", ""),
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {
        "name": name,
        "namespace": metadata["namespace"],
        "labels": dict(labels),
        "annotations": dict(annotations),
        "ownerReferences": [reference],
    }


def _name(owner: Manifest) -> str:
    name: str = owner["metadata"]["name"]
    return name
