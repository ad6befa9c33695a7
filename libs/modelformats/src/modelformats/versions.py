"""The versions of frameworks that load a model here, beside the one that wrote it.

The versions are those of the toolchains, which are above this library; a test of `modelconversion` compares them.
"""

import re
from collections.abc import Iterator
from types import MappingProxyType

LOADERS = MappingProxyType(
    {
        ("scikit-learn", "sklearn"): "1.9.1",
        ("scikit-learn", "mlserver"): "1.9.1",
    }
)
"""Package and toolchain to the version that is installed there."""
RELEASE = re.compile(r"(\d+)\.(\d+)")


def other_version(package: str, toolchain: str, written_by: str | None) -> Iterator[str]:
    """A warning where a pickle was written by another release of a framework than the one that loads it.

    Pickles hold a framework's own objects, which change with its releases; a patch version changes none.

    Args:
        package: the framework as the package index calls it.
        toolchain: the environment in which models of the format are loaded.
        written_by: the version in the file; None where it has none.
    """
    here = LOADERS[package, toolchain]
    if written_by is None or _release(written_by) == _release(here):
        return
    yield (
        f"the model was saved by {package} {written_by} and is loaded by {here}, which may fail or give other answers: "
        f"train and save it again with {here}, or convert it to ONNX where {written_by} is installed"
    )


def _release(version: str) -> tuple[str, ...] | None:
    """Major and minor version; None where the text is none."""
    release = RELEASE.match(version)
    return release.groups() if release else None
