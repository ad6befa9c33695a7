"""The CustomResourceDefinitions of ModelJob and Serving."""

from dataclasses import dataclass

from kleverkube.manifest import Manifest
from kleverproto.base import WireModel
from kleverproto.custom_resources import ModelJobSpec, ModelJobStatus, ServingResourceStatus
from kleverproto.serving_specs import ServingSpec

from .rules import MODEL_JOB_RULES, SERVING_RULES, add_rules
from .structural import structural

VERSION = "v1alpha1"
MOST_WEIGHTS = 10
"""Variants of a serving, and therefore weights: a bound lets the API server estimate the cost of the rule."""


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A custom resource.

    Attributes:
        kind: its kind.
        group: its API group.
        plural: its name in paths.
        short_names: its names for kubectl.
        description: shown by `kubectl explain`.
        spec: the document of the spec.
        status: the document of the status.
        rules: rules in CEL by path.
        columns: columns of `kubectl get`, as name and JSONPath; age, and with `-o wide` the message, follow.
    """

    kind: str
    group: str
    plural: str
    short_names: tuple[str, ...]
    description: str
    spec: type[WireModel]
    status: type[WireModel]
    rules: dict[str, list[Manifest]]
    columns: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """The name of the CustomResourceDefinition."""
        return f"{self.plural}.{self.group}"


MODEL_JOB = Definition(
    kind="ModelJob",
    group="kleveross.io",
    plural="modeljobs",
    short_names=("mj",),
    description="A job on a model version: extraction, scan or conversion.",
    spec=ModelJobSpec,
    status=ModelJobStatus,
    rules=MODEL_JOB_RULES,
    columns=(
        ("Model", ".spec.model"),
        ("Phase", ".status.phase"),
        ("Result", ".status.result.ref"),
        ("Reason", '.status.conditions[?(@.type=="Ready")].reason'),
    ),
)
SERVING = Definition(
    kind="Serving",
    group="klever.dev",
    plural="servings",
    short_names=(),
    description="A serving of one or several versions of a model, behind one URL.",
    spec=ServingSpec,
    status=ServingResourceStatus,
    rules=SERVING_RULES,
    columns=(
        ("Ready", '.status.conditions[?(@.type=="Ready")].status'),
        ("Phase", ".status.phase"),
        ("Reason", '.status.conditions[?(@.type=="Ready")].reason'),
        ("URL", ".status.url"),
    ),
)
DEFINITIONS = (MODEL_JOB, SERVING)


def custom_resource_definition(definition: Definition) -> Manifest:
    """Return the CustomResourceDefinition to apply."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": definition.name},
        "spec": {
            "group": definition.group,
            "scope": "Namespaced",
            "names": {
                "kind": definition.kind,
                "listKind": f"{definition.kind}List",
                "plural": definition.plural,
                "singular": definition.kind.lower(),
                "shortNames": list(definition.short_names),
                "categories": ["klever"],
            },
            "versions": [_version(definition)],
        },
    }


def _version(definition: Definition) -> Manifest:
    message = {"name": "Message", "type": "string", "jsonPath": ".status.message", "priority": 1}
    age = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
    columns = [{"name": name, "type": "string", "jsonPath": path} for name, path in definition.columns]
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [*columns, age, message],
        "schema": {"openAPIV3Schema": _schema(definition)},
    }


def _schema(definition: Definition) -> Manifest:
    spec, status = (
        structural(model.model_json_schema(by_alias=True)) for model in (definition.spec, definition.status)
    )
    status["properties"]["conditions"] |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
    if "variants" in spec["properties"]:
        spec["properties"]["variants"] |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
        spec["properties"]["traffic"]["properties"]["weights"]["maxProperties"] = MOST_WEIGHTS
    fields = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    schema: Manifest = {
        "type": "object",
        "description": definition.description,
        "required": ["spec"],
        "properties": {**fields, "spec": spec, "status": status},
    }
    add_rules(schema, definition.rules)
    return schema
