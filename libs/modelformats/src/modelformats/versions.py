"""The versions of frameworks that load a model here, beside the one that wrote it."""

import re
from collections.abc import Iterator
from functools import cache

from .converting.recipes import read_recipe

RELEASE = re.compile(r"(\d+)\.(\d+)")


def other_version(package: str, toolchain: str, written_by: str | None) -> Iterator[str]:
    """A warning where a pickle was written by another release of a framework than the one that loads it.

    Pickles hold a framework's own objects, which change with its releases; a patch version changes none.

    Args:
        package: the framework as the package index calls it.
        toolchain: the environment in which models of the format are loaded.
        written_by: the version in the file; None where it says none.
    """
    here = pinned(package, toolchain)
    if written_by is None or here is None or _release(written_by) == _release(here):
        return
    yield (
        f"the model was saved by {package} {written_by} and is loaded by {here}, which may fail or give other answers: "
        f"train and save it again with {here}, or convert it to ONNX where {written_by} is installed"
    )


@cache
def pinned(package: str, toolchain: str) -> str | None:
    """The version of a package in a toolchain; None where it has none."""
    lines = read_recipe(toolchain).requirements.read_text().splitlines()
    pins = (line.removeprefix(f"{package}==").split()[0] for line in lines if line.startswith(f"{package}=="))
    return next(pins, None)


def _release(version: str) -> tuple[str, ...] | None:
    """Major and minor version; None where the text is none."""
    release = RELEASE.match(version)
    return release.groups() if release else None
