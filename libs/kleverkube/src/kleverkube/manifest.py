"""The type of Kubernetes objects as plain data."""

from collections.abc import Mapping, Sequence
from typing import Any

Manifest = dict[str, Any]
"""An object, or a part of one, with the field names of the Kubernetes API."""


def compact(fields: Mapping[str, Any]) -> Manifest:
    """The fields without those that are None or empty, which the API treats as absent."""
    return {name: value for name, value in fields.items() if value is not None and not _is_empty(value)}


def _is_empty(value: Any) -> bool:
    return isinstance(value, Mapping | Sequence) and not isinstance(value, str) and not value
