"""From the bytes of a manifest to a model; pure."""

import json
from typing import Any

from pydantic import ValidationError

from .digest import digest_bytes
from .layouts import layout_of
from .layouts.layout import Layout, config_type
from .layouts.modelcar import MODELCAR
from .manifest import Descriptor, ModelManifest

PREFERRED = ("linux", "amd64")


def parse_model_manifest(manifest: bytes, config: bytes | None = None) -> ModelManifest | None:
    """Read the manifest of a model artifact; None for a container image, an index, a referrer, or no manifest at all.

    Args:
        manifest: its bytes.
        config: its config blob, where `config_wanted` names one and it was fetched.
    """
    found = parse_manifest(manifest, config)
    return None if found is None or found.layout == MODELCAR.name else found


def parse_manifest(manifest: bytes, config: bytes | None = None) -> ModelManifest | None:
    """As `parse_model_manifest`, and container images, which may hold a model under /models."""
    document = _document(manifest)
    layout = layout_of(document) if document else None
    if document is None or layout is None:
        return None
    try:
        return _read(layout, document, digest_bytes(manifest), config)
    except (ValidationError, ValueError, KeyError, TypeError, AttributeError):
        return None


def config_wanted(manifest: bytes) -> Descriptor | None:
    """The config blob without which a manifest does not tell all that the artifact says of its model."""
    document = _document(manifest)
    layout = layout_of(document) if document else None
    if document is None or layout is None or not layout.wants_config(document):
        return None
    try:
        return Descriptor.model_validate(document["config"])
    except (ValidationError, KeyError):
        return None


def chosen_of_index(manifest: bytes) -> str | None:
    """The digest to take from an index: that of the usual platform, else the first; None where it is no index."""
    try:
        entries: list[dict[str, Any]] = json.loads(manifest)["manifests"]
        platforms = [entry.get("platform") or {} for entry in entries]
        usual = [(p.get("os"), p.get("architecture")) == PREFERRED for p in platforms]
        chosen = entries[usual.index(True) if True in usual else 0]
        return str(chosen["digest"])
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None


def _document(manifest: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(manifest)
    except ValueError:
        return None
    return document if isinstance(document, dict) and "subject" not in document else None


def _read(layout: Layout, document: dict[str, Any], digest: str, config: bytes | None) -> ModelManifest:
    return ModelManifest(
        digest=digest,
        layout=layout.name,
        artifact_type=document.get("artifactType") or config_type(document),
        config=document["config"],
        layers=document["layers"],
        modelfile=layout.modelfile(document, config),
        document=document,
        config_content=config,
    )


def blobs_named(manifest: bytes) -> list[str]:
    """Digests of a manifest's config and layers. Raises ValueError, KeyError, TypeError where it is none."""
    document = json.loads(manifest)
    return [part["digest"] for part in (document["config"], *document["layers"])]
