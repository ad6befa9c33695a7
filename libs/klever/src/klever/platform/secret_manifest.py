"""Secrets of Kubernetes as text entries, and as manifests."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from klever.errors import PlatformError
from kleverkube.manifest import Manifest


def stored_secret(path: Path, name: str) -> Manifest:
    """Return the Secret with a name from a file with YAML documents.

    Raises:
        PlatformError: the file contains no such Secret.
        OSError: the file cannot be read.
    """
    try:
        documents = list(yaml.safe_load_all(path.read_text()))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PlatformError(
            f"{path} is not valid YAML: store there what `kubectl get secret -o yaml` prints"
        ) from error
    for each in documents:
        if isinstance(each, dict) and isinstance(each.get("metadata"), dict) and each["metadata"].get("name") == name:
            return each
    raise PlatformError(
        f"{path} contains no Secret {name}: store there what `kubectl get secret {name} -o yaml` prints"
    )


def text_entries(secret: Manifest) -> dict[str, str]:
    """Return the entries of a Secret. Raises PlatformError if one is not text."""
    plain = {name: _decoded(name, text) for name, text in _fields(secret, "data").items()}
    return {**plain, **{name: _checked(name, text) for name, text in _fields(secret, "stringData").items()}}


def base64_entries(entries: Mapping[str, str]) -> dict[str, str]:
    """Return the field `data` of a Secret."""
    return {name: base64.b64encode(text.encode()).decode() for name, text in sorted(entries.items())}


def _fields(secret: Manifest, field: str) -> dict[str, Any]:
    fields = secret.get(field) or {}
    if not isinstance(fields, dict):
        raise PlatformError(f"the field {field} of the Secret is not a mapping: restore it")
    return fields


def _decoded(name: str, text: Any) -> str:
    try:
        return base64.b64decode("".join(_checked(name, text).split()), validate=True).decode()
    except ValueError as error:  # also of UTF-8
        raise _not_text(name) from error


def _checked(name: str, text: Any) -> str:
    if not isinstance(text, str):
        raise _not_text(name)
    return text


def _not_text(name: str) -> PlatformError:
    return PlatformError(f"the entry {name} of the Secret is not UTF-8 text in Base64: restore it, or remove it")
