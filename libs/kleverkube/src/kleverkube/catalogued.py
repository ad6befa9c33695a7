"""A served version from the documents of a platform."""

from kleverproto.conversions import UNVERIFIED
from kleverproto.models import ModelDocument
from kleverproto.projects import ProjectPolicy
from kleverproto.revisions import revision_of
from kleverproto.variants import Variant
from modelfiles.runtimes import UNPICKLED

from .images import runtime_of
from .version import ServedVersion


def served_version(
    namespace: str, serving: str, variant: Variant, model: ModelDocument, policy: ProjectPolicy
) -> ServedVersion:
    """The version that a variant with a resolved digest is on a cluster.

    Args:
        namespace: namespace of the serving.
        serving: its name.
        variant: variant of its spec.
        model: the variant's model in the catalogue.
        policy: policy of the model's project.

    Raises:
        UnsupportedOnClusterError: no image serves the model's format.
    """
    model_format = model.format or ""
    return ServedVersion(
        namespace=namespace,
        serving=serving,
        revision=revision_of(variant),
        variant=variant,
        model=model.spec.ref,
        digest=variant.digest or model.spec.digest,
        registry=model.spec.registry,
        format=model_format,
        runtime=runtime_of(variant, model_format),
        trust=policy.trust if model_format in UNPICKLED else (),
        unverified=model.spec.metadata.labels.get(UNVERIFIED, ""),
    )
