"""The figures of servings, for metrics; pure."""

from collections.abc import Iterator

from kleverproto.servings import ServingDocument

Labels = tuple[str, ...]


def replicas_desired(serving: ServingDocument) -> Iterator[tuple[Labels, float]]:
    """Yield the desired replicas of each version of a variant."""
    return _by_variant(serving, "replicas")


def replicas_ready(serving: ServingDocument) -> Iterator[tuple[Labels, float]]:
    """Yield the ready replicas of each version of a variant."""
    return _by_variant(serving, "ready_replicas")


def restarts(serving: ServingDocument) -> Iterator[tuple[Labels, float]]:
    """Yield the restarts of each version of a variant."""
    return _by_variant(serving, "restarts")


def traffic_weight(serving: ServingDocument) -> Iterator[tuple[Labels, float]]:
    """Yield the share of the traffic of each version of a variant, from 0 to 1."""
    return ((labels, percent / 100) for labels, percent in _by_variant(serving, "weight"))


def phase(serving: ServingDocument) -> Iterator[tuple[Labels, float]]:
    """Yield 1 for the present phase."""
    yield (serving.namespace, serving.name, serving.status.phase), 1


def rollout_step(serving: ServingDocument) -> Iterator[tuple[Labels, float]]:
    """Yield the number of the present step of the last rollout."""
    if rollout := serving.status.rollout:
        yield (serving.namespace, serving.name, rollout.phase), len(rollout.steps)


def _by_variant(serving: ServingDocument, field: str) -> Iterator[tuple[Labels, float]]:
    for variant in serving.status.variants:
        labels = (serving.namespace, serving.name, variant.name, variant.revision)
        yield labels, float(getattr(variant, field))
