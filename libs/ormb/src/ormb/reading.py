"""Parses manifests of models; pure."""

from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from modelformats.bounded_json import load_json

from .digest import digest_bytes
from .errors import UnsupportedArtifactError
from .layouts import layout_of
from .layouts.layout import Layout, config_type
from .layouts.modelcar import MODELCAR
from .manifest import Descriptor, ModelManifest

PREFERRED = ("linux", "amd64")


def parse_model_manifest(manifest: bytes, config: bytes | None = None) -> ModelManifest | None:
    """Parse the manifest of a model; None for a container image, an index, a referrer, or invalid data.

    Args:
        manifest: its bytes.
        config: its config blob, if `needed_config` returned one and it was fetched.
    """
    with suppress(UnsupportedArtifactError):
        parsed = parse_manifest(manifest, config)
        return None if parsed is None or parsed.layout == MODELCAR.name else parsed
    return None


def parse_manifest(manifest: bytes, config: bytes | None = None) -> ModelManifest | None:
    """Like `parse_model_manifest`, and also parses container images, which may contain a model under /models.

    Raises:
        UnsupportedArtifactError: it has the layout of a model, but cannot be parsed.
    """
    document = _document(manifest)
    layout = layout_of(document) if document else None
    if document is None or layout is None:
        return None
    try:
        return _read(layout, document, digest_bytes(manifest), config)
    except (ValidationError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnsupportedArtifactError(f"the manifest is of the layout {layout.name}, but {_why(error)}") from error


def needed_config(manifest: bytes) -> Descriptor | None:
    """Return the descriptor of the config blob if the metadata of the manifest is incomplete without it."""
    document = _document(manifest)
    layout = layout_of(document) if document else None
    if document is None or layout is None or not layout.wants_config(document):
        return None
    try:
        return Descriptor.model_validate(document["config"])
    except (ValidationError, KeyError):
        return None


def select_from_index(manifest: bytes) -> str | None:
    """Return the digest to select from an index: of the usual platform, else the first; None if it is not an index."""
    try:
        entries: list[dict[str, Any]] = load_json(manifest)["manifests"]
        platforms = [entry.get("platform") or {} for entry in entries]
        usual = [(p.get("os"), p.get("architecture")) == PREFERRED for p in platforms]
        selected = entries[usual.index(True) if True in usual else 0]
        return str(selected["digest"])
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None


def _document(manifest: bytes) -> dict[str, Any] | None:
    try:
        document = load_json(manifest)
    except ValueError:
        return None
    return document if isinstance(document, dict) and "subject" not in document else None


def _why(error: Exception) -> str:
    if isinstance(error, ValidationError):
        problem = error.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(map(str, problem['loc'])) or 'a part'} of it is wrong: {problem['msg']}"
    return f"it cannot be read: {type(error).__name__}: {error!s:.200}"


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


def blob_digests(manifest: bytes) -> list[str]:
    """Return the digests of a manifest's config and layers. Raises ValueError, KeyError, TypeError if it is invalid."""
    document = load_json(manifest)
    return [part["digest"] for part in (document["config"], *document["layers"])]
