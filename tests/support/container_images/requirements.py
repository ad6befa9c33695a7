"""The packages of images, pinned with hashes: from the lock of the workspace, or from the recipe of a toolchain."""

import subprocess
from collections.abc import Sequence

from modelconversion.toolchains.recipes import read_recipe

from .python_layers import REPOSITORY


def requirements_of_member(name: str, *extras: str, without: Sequence[str] = ()) -> str:
    """The packages of a member of the workspace, without other members and the packages in `without`."""
    chosen = [word for extra in extras for word in ("--extra", extra)]
    options = ("--frozen", "--no-dev", "--no-emit-workspace", "--no-header", "-q")
    left_out = [word for package in without for word in ("--no-emit-package", package)]
    command = ["uv", "export", *options, "--package", name, *chosen, *left_out]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=REPOSITORY).stdout


def requirements_of_toolchain(name: str) -> str:
    """The packages of a toolchain."""
    recipe = read_recipe(name)
    shared = recipe.shared.read_text() if recipe.shared else ""
    return recipe.requirements.read_text() + shared
