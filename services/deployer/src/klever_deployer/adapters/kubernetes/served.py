"""The description of a version that its objects hold."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from klever_deployer.domain.versions import VersionSpec
from klever_deployer.errors import UNSUPPORTED_FORMAT, ServingError
from kleverkit.errors import TransientError
from kleverkube.errors import UnsupportedOnClusterError
from kleverkube.version import ServedVersion


def served_version(spec: VersionSpec, registry: Callable[[str], str | None]) -> ServedVersion:
    """Describe a version.

    Args:
        spec: spec of the version.
        registry: the registry of a model by its digest, if the catalogue lacks it; None if it is not known.

    Raises:
        TransientError: the registry is not known yet.
    """
    model = spec.model
    address = model.registry or registry(model.digest)
    if address is None:
        raise TransientError(f"the registry of {model.ref}@{model.digest} is not known yet")
    return ServedVersion(
        namespace=spec.key.serving.namespace,
        serving=spec.key.serving.name,
        revision=spec.key.revision,
        variant=spec.variant,
        model=model.ref,
        digest=model.digest,
        registry=address,
        format=model.facts.format,
        runtime=spec.runtime,
        trust=spec.trust,
        made=model.made,
        unverified=model.facts.unverified,
    )


@contextmanager
def rendering() -> Iterator[None]:
    """Render objects of a version. Raises ServingError if the cluster cannot run it."""
    try:
        yield
    except UnsupportedOnClusterError as error:
        raise ServingError(str(error), code=UNSUPPORTED_FORMAT) from error
