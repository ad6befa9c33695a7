"""Differences between a serving before and after a change, as unified diffs; pure."""

from collections.abc import Iterable, Mapping
from difflib import unified_diff
from typing import Any

import yaml

from kleverproto.servings import ServingDocument

NOTHING = "/dev/null"
"""Name of the absent side in a diff."""
WIDTH = 120


def serving_difference(present: ServingDocument | None, wanted: ServingDocument) -> str:
    """The difference between the documents of a serving, as in `klever apply -f`; empty if there is none.

    Args:
        present: the serving; None if it does not exist.
        wanted: the serving after the change.
    """
    name = f"Serving {wanted.namespace}/{wanted.name}"
    return _difference(name, _document(present) if present else None, _document(wanted))


def objects_difference(present: Iterable[Mapping[str, Any]], wanted: Iterable[Mapping[str, Any]]) -> str:
    """The differences between Kubernetes objects, by kind and name; empty if there is none."""
    before, after = _by_name(present), _by_name(wanted)
    names = dict.fromkeys((*before, *after))
    return "".join(_difference(name, before.get(name), after.get(name)) for name in names)


def _difference(name: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    lines = unified_diff(
        _lines(before), _lines(after), name if before else NOTHING, name if after else NOTHING, lineterm=""
    )
    return "".join(f"{line}\n" for line in lines)


def _lines(content: Mapping[str, Any] | None) -> list[str]:
    text = yaml.safe_dump(dict(content), sort_keys=False, width=WIDTH) if content else ""
    return text.splitlines()


def _document(serving: ServingDocument) -> dict[str, Any]:
    metadata = {"name": serving.name, "namespace": serving.namespace}
    spec = serving.spec.model_dump(mode="json", exclude_none=True)
    return {"apiVersion": "klever.dev/v1alpha1", "kind": "Serving", "metadata": metadata, "spec": spec}


def _by_name(objects: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {f"{each['kind']} {each['metadata']['namespace']}/{each['metadata']['name']}": each for each in objects}
