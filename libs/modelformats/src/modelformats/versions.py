"""Compares the version of the framework that wrote a model with the version that loads it here.

The versions are those of the toolchains, which depend on this library; a test of `modelconversion` compares them.
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
"""The installed version by package and toolchain."""
RELEASE = re.compile(r"(\d+)\.(\d+)")


def other_version(package: str, toolchain: str, written_by: str | None) -> Iterator[str]:
    """Yield a warning if a pickle was written by another release of a framework than the one that loads it.

    Pickles contain internal objects of a framework, which change with its releases, but not with patch versions.

    Args:
        package: name of the framework in the package index.
        toolchain: the environment in which models of the format are loaded.
        written_by: the version in the file; None if it has none.
    """
    here = LOADERS[package, toolchain]
    if written_by is None or _release(written_by) == _release(here):
        return
    yield (
        f"the model was saved by {package} {written_by} and is loaded by {here}, which may fail or change results: "
        f"train and save it again with {here}, or convert it to ONNX where {written_by} is installed"
    )


def _release(version: str) -> tuple[str, ...] | None:
    """Return major and minor version; None if the text is not a version."""
    release = RELEASE.match(version)
    return release.groups() if release else None
