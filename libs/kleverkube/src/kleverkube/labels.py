"""Labels and annotations that mark the objects of a version."""

from functools import lru_cache

from pydantic import ValidationError

from .manifest import Manifest
from .naming import version_name
from .options import ClusterOptions
from .version import ServedVersion

MANAGER = "klever"
"""Field manager of server-side apply, and the value of the label `app.kubernetes.io/managed-by`."""
MANAGED_BY = "app.kubernetes.io/managed-by"
PLATFORM = "klever.dev/platform"
SERVING = "klever.dev/serving"
VARIANT = "klever.dev/variant"
REVISION = "klever.dev/revision"
VERSION = "klever.dev/version"
"""Annotation with the whole version as JSON: see `ServedVersion`."""


def selector(version: ServedVersion) -> dict[str, str]:
    """The labels that select the pods of a version."""
    return {SERVING: version.serving, VARIANT: version.variant.name, REVISION: version.revision}


def labels(version: ServedVersion, options: ClusterOptions) -> dict[str, str]:
    """The labels of every object of a version."""
    return {
        "app.kubernetes.io/name": version.serving,
        "app.kubernetes.io/component": "model-server",
        MANAGED_BY: MANAGER,
        PLATFORM: options.platform,
        **selector(version),
    }


def owned_by(options: ClusterOptions) -> str:
    """The label selector of all objects of a platform."""
    return f"{MANAGED_BY}={MANAGER},{PLATFORM}={options.platform}"


def with_owner(manifest: Manifest, serving: str, options: ClusterOptions) -> Manifest:
    """An object of a serving that belongs to no version, such as its route, with the labels of its owner."""
    present = manifest["metadata"]
    owner = {MANAGED_BY: MANAGER, PLATFORM: options.platform, SERVING: serving}
    return {**manifest, "metadata": {**present, "labels": {**present.get("labels", {}), **owner}}}


def metadata(version: ServedVersion, options: ClusterOptions, **annotations: str) -> Manifest:
    """The metadata of an object of a version."""
    name = version_name(version.serving, version.variant.name, version.revision)
    fields: Manifest = {"name": name, "namespace": version.namespace, "labels": labels(version, options)}
    return {**fields, "annotations": annotations} if annotations else fields


def recorded(annotations: dict[str, str] | None) -> ServedVersion | None:
    """The version that the annotations of an object hold; None if they hold none, or one that is not valid."""
    text = (annotations or {}).get(VERSION)
    return _parsed(text) if text else None


@lru_cache(maxsize=4096)
def _parsed(text: str) -> ServedVersion | None:
    """Cached, because every look at a version reads its annotation."""
    try:
        return ServedVersion.model_validate_json(text)
    except ValidationError:
        return None
