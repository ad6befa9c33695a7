"""Compares the metadata and files of two models; pure."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from .manifest import ModelManifest
from .modelfile import FILE_NAME


@dataclass(frozen=True)
class Change:
    """A difference between two models.

    Attributes:
        kind: `metadata`, `signature` or `file`.
        name: dotted key, or path.
        left: the value in the first model; None if only the second model has one.
        right: the value in the second model; None if only the first model has one.
    """

    kind: str
    name: str
    left: str | None
    right: str | None


def compare(left: ModelManifest, right: ModelManifest) -> list[Change]:
    """Return all differences, metadata first; empty if the models are equal."""
    return [*_metadata(left, right), *_files(left, right)]


def _metadata(left: ModelManifest, right: ModelManifest) -> list[Change]:
    a, b = _metadata_of(left), _metadata_of(right)
    return [
        Change("signature" if key.startswith("signature.") else "metadata", key, a.get(key), b.get(key))
        for key in sorted({*a, *b})
        if a.get(key) != b.get(key)
    ]


def _files(left: ModelManifest, right: ModelManifest) -> list[Change]:
    a, b = _contents(left), _contents(right)
    return [Change("file", path, a.get(path), b.get(path)) for path in sorted({*a, *b}) if a.get(path) != b.get(path)]


def _contents(manifest: ModelManifest) -> dict[str, str]:
    """Map each path, or the digest of a layer without a path, to digest and size; without the ormbfile."""
    times = Counter(layer.path for layer in manifest.layers)
    empty = {f"{path}/": "empty directory" for path in manifest.empty_directories}
    return empty | {
        layer.path if layer.path and times[layer.path] == 1 else layer.digest: f"{layer.digest} {layer.size} bytes"
        for layer in manifest.layers
        if layer.path != FILE_NAME
    }


def _metadata_of(manifest: ModelManifest) -> dict[str, str]:
    data = manifest.modelfile.model_dump(mode="json", exclude_defaults=True) if manifest.modelfile else {}
    return dict(_flat(data, ""))


def _flat(value: Any, name: str) -> list[tuple[str, str]]:
    """Return leaves by dotted name. Entries of a list are identified by their name, so that order does not matter."""
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in _flat(inner, f"{name}.{key}" if name else str(key))]
    if isinstance(value, list):
        return [leaf for at, inner in enumerate(value) for leaf in _flat(inner, f"{name}.{_key(at, inner)}")]
    return [(name, str(value))]


def _key(at: int, item: Any) -> str:
    return str(item.get("name", at)) if isinstance(item, dict) else str(at)
