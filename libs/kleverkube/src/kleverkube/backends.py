"""Backends of clusters: each runs the versions of a serving by objects of its own."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal

from .kserve.rendering import render_for_kserve
from .manifest import Manifest
from .options import ClusterOptions
from .rendering import render
from .seldon.rendering import render as render_for_seldon
from .version import ServedVersion

ClusterBackend = Literal["plain", "seldon", "kserve"]
Renderer = Callable[[Sequence[ServedVersion], ClusterOptions], list[Manifest]]
"""Renders all versions of a serving, at least one. Raises UnsupportedOnClusterError."""


def _render_each(
    render_version: Callable[[ServedVersion, ClusterOptions], list[Manifest]],
    versions: Sequence[ServedVersion],
    options: ClusterOptions,
) -> list[Manifest]:
    return [manifest for version in versions for manifest in render_version(version, options)]


RENDERERS: Mapping[ClusterBackend, Renderer] = {
    "plain": partial(_render_each, render),
    "seldon": render_for_seldon,
    "kserve": partial(_render_each, render_for_kserve),
}
"""Backend to the renderer of its objects."""
