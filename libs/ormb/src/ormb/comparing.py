"""What differs between two models: metadata and files; pure."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from .manifest import ModelManifest
from .modelfile import FILE_NAME


@dataclass(frozen=True)
class Change:
    """Something that differs.

    Attributes:
        kind: `metadata`, `signature` or `file`.
        name: dotted key, or path.
        left: in the first model; None where it is only in the second.
        right: in the second model; None where it is only in the first.
    """

    kind: str
    name: str
    left: str | None
    right: str | None


def compare(left: ModelManifest, right: ModelManifest) -> list[Change]:
    """All that differs, metadata first; empty for the same model."""
    return [*_metadata(left, right), *_files(left, right)]


def _metadata(left: ModelManifest, right: ModelManifest) -> list[Change]:
    a, b = _said(left), _said(right)
    return [
        Change("signature" if key.startswith("signature.") else "metadata", key, a.get(key), b.get(key))
        for key in sorted({*a, *b})
        if a.get(key) != b.get(key)
    ]


def _files(left: ModelManifest, right: ModelManifest) -> list[Change]:
    a, b = _contents(left), _contents(right)
    return [Change("file", path, a.get(path), b.get(path)) for path in sorted({*a, *b}) if a.get(path) != b.get(path)]


def _contents(manifest: ModelManifest) -> dict[str, str]:
    """Path, or the digest of a layer without a path of its own, to digest and size; the ormbfile is metadata."""
    times = Counter(layer.path for layer in manifest.layers)
    empty = {f"{path}/": "empty directory" for path in manifest.empty_directories}
    return empty | {
        layer.path if layer.path and times[layer.path] == 1 else layer.digest: f"{layer.digest} {layer.size} bytes"
        for layer in manifest.layers
        if layer.path != FILE_NAME
    }


def _said(manifest: ModelManifest) -> dict[str, str]:
    data = manifest.modelfile.model_dump(mode="json", exclude_defaults=True) if manifest.modelfile else {}
    return dict(_flat(data, ""))


def _flat(value: Any, name: str) -> list[tuple[str, str]]:
    """Leaves by dotted name; named entries of a list by their name, so that their order does not matter."""
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in _flat(inner, f"{name}.{key}" if name else str(key))]
    if isinstance(value, list):
        return [leaf for at, inner in enumerate(value) for leaf in _flat(inner, f"{name}.{_key(at, inner)}")]
    return [(name, str(value))]


def _key(at: int, item: Any) -> str:
    return str(item.get("name", at)) if isinstance(item, dict) else str(at)
