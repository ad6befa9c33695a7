"""Backends of clusters: each runs the versions of a serving by objects of its own."""

from collections.abc import Callable, Mapping, Sequence

from .manifest import Manifest
from .options import ClusterOptions
from .rendering import render
from .seldon.rendering import render as render_for_seldon
from .version import ServedVersion

Renderer = Callable[[Sequence[ServedVersion], ClusterOptions], list[Manifest]]
"""Renders all versions of a serving, at least one. Raises UnsupportedOnClusterError."""


def _render_each(versions: Sequence[ServedVersion], options: ClusterOptions) -> list[Manifest]:
    return [manifest for version in versions for manifest in render(version, options)]


RENDERERS: Mapping[str, Renderer] = {"plain": _render_each, "seldon": render_for_seldon}
"""Name of the backend to what renders its objects."""
