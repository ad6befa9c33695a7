"""The SeldonDeployment of a serving: one predictor for each version."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kleverkube.labels import MANAGED_BY, MANAGER, PLATFORM, REVISION, SERVING, VARIANT, VERSION
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkube.version import ServedVersion

from .predictors import predictor

API_VERSION, KIND = "machinelearning.seldon.io/v1", "SeldonDeployment"
WHOLE = 100


@dataclass(frozen=True)
class Predictor:
    """A predictor, and the annotation that describes its version."""

    manifest: Manifest
    version: str
    """A `ServedVersion` as JSON."""

    @property
    def name(self) -> str:
        """Unique within the serving."""
        name: str = self.manifest["name"]
        return name

    @property
    def key(self) -> tuple[str, str]:
        """The variant and the revision, by its labels."""
        labels = self.manifest["labels"]
        return labels[VARIANT], labels[REVISION]

    @classmethod
    def of_version(cls, version: ServedVersion, options: ClusterOptions, replicas: int | None) -> "Predictor":
        """Render a version. See `predictors.predictor`."""
        return cls(predictor(version, options, replicas), version.model_dump_json(exclude_defaults=True))


def seldon_deployment(
    namespace: str, serving: str, predictors: Iterable[Predictor], options: ClusterOptions
) -> Manifest:
    """Render the SeldonDeployment.

    Versions are described by annotations of the object itself, because those of a predictor reach its pods: a change
    would restart them.

    Args:
        namespace: namespace of the serving.
        serving: its name.
        predictors: at least one.
        options: options of the cluster.
    """
    present = list(predictors)
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": serving,
            "namespace": namespace,
            "labels": {
                "app.kubernetes.io/name": serving,
                MANAGED_BY: MANAGER,
                PLATFORM: options.platform,
                SERVING: serving,
            },
            "annotations": {_annotation(each.name): each.version for each in present},
        },
        "spec": {"predictors": list(_with_traffic(each.manifest for each in present))},
    }


def predictors_of(stored: Manifest) -> list[Predictor]:
    """The predictors of versions in a SeldonDeployment; others are left out."""
    annotations: Mapping[str, str] = stored["metadata"].get("annotations", {})
    return [
        Predictor(manifest, annotations.get(_annotation(manifest["name"]), ""))
        for manifest in stored["spec"].get("predictors", ())
        if {SERVING, VARIANT, REVISION} <= manifest.get("labels", {}).keys()
    ]


def _annotation(predictor_name: str) -> str:
    return f"{VERSION}.{predictor_name}"


def _with_traffic(predictors: Iterable[Manifest]) -> Iterable[Manifest]:
    """The webhook requires percents that sum to 100. They have no effect: Klever routes requests by its own objects."""
    for number, each in enumerate(predictors):
        without = {name: value for name, value in each.items() if name != "traffic"}
        yield without if number else {**without, "traffic": WHOLE}
