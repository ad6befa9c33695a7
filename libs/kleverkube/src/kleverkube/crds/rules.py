"""Rules of the custom resources in CEL, which the API server evaluates when an object is applied.

They repeat the rules of the documents that a schema cannot express, so that `kubectl apply` refuses mistakes at once.
The controller validates every spec by its document as well.
"""

from kleverkube.manifest import Manifest

SPEC = "spec"
VARIANT = "spec.variants[]"


def rule(expression: str, message: str) -> Manifest:
    """Return a rule."""
    return {"rule": expression, "message": message}


MODEL_JOB_RULES: dict[str, list[Manifest]] = {
    SPEC: [
        rule("self == oldSelf", "the spec of a ModelJob cannot be changed: create another ModelJob"),
        rule(
            "[has(self.extraction), has(self.scan), has(self.conversion)].filter(is_set, is_set).size() == 1",
            "set exactly one of extraction, scan and conversion",
        ),
        rule("!has(self.desiredTag) || has(self.conversion)", "desiredTag requires a conversion"),
    ],
    "spec.conversion": [
        rule("has(self.to) != has(self.mmdnn)", "set either `to` or `mmdnn`"),
        rule("!has(self.samples) || !has(self.samplesDigest)", "give samples or samplesDigest, not both"),
    ],
}
SERVING_RULES: dict[str, list[Manifest]] = {
    "": [
        rule(
            "self.metadata.name.matches('^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$')",
            "the name of a Serving has lower-case letters, digits and hyphens, 63 at most",
        ),
    ],
    SPEC: [
        rule(
            "self.variants.size() == 1 || (has(self.traffic) && has(self.traffic.weights))",
            "several variants require spec.traffic.weights",
        ),
    ],
    "spec.traffic.weights": [
        rule("self.map(name, self[name]).sum() == 100", "the weights must sum to 100"),
    ],
    VARIANT: [
        rule("!has(self.runtime) || !has(self.custom)", "give a runtime or a custom server, not both"),
    ],
    f"{VARIANT}.custom": [
        rule("has(self.image) || (has(self.command) && self.command.size() > 0)", "give a command, an image, or both"),
    ],
    f"{VARIANT}.autoscaling": [
        rule("(has(self.minReplicas) ? self.minReplicas : 1) <= self.maxReplicas", "minReplicas is above maxReplicas"),
    ],
}


def add_rules(schema: Manifest, rules: dict[str, list[Manifest]]) -> None:
    """Add rules to the parts of a schema that their paths name, such as `spec.variants[].custom`."""
    for path, each in rules.items():
        part = schema
        for field in filter(None, path.split(".")):
            part = part["properties"][field.removesuffix("[]")]
            part = part["items"] if field.endswith("[]") else part
        part["x-kubernetes-validations"] = each
