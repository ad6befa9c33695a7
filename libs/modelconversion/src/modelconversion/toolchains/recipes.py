"""Recipes of toolchains: a pinned requirements file for each, with settings in its comments.

A line `# key: values` is one of: `python` (the version of the environment), `imports` (modules that must be importable,
else the environment is broken), `commands` (programs that must be on PATH), `with` (a file of additional packages,
which several toolchains share: those that the model server needs to run in them). Every package is listed, with its
version and the hashes of its files (`tools/toolchain_hashes.py`), so that installing resolves nothing and trusts no
index.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from kleverproto.codes import TOOLCHAIN_FAILED
from modelconversion.errors import ConversionError

RECIPES = Path(__file__).with_name("requirements")
_SETTING = re.compile(r"^# (python|imports|commands|with): (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Recipe:
    """The recipe of a toolchain."""

    name: str
    requirements: Path
    digest: str
    """sha256 of the files; a different digest means that the environment is out of date."""
    python: str
    imports: tuple[str, ...]
    commands: tuple[str, ...] = ()
    shared: Path | None = None
    """The file in `with`."""


def read_recipe(name: str, directory: Path = RECIPES) -> Recipe:
    """Return the recipe of a toolchain. Raises ConversionError if it does not exist."""
    path = directory / f"{name}.txt"
    if path.parent != directory or not path.is_file():
        known = ", ".join(recipe_names(directory))
        raise ConversionError(TOOLCHAIN_FAILED, f"toolchain {name!r} not found; the toolchains are: {known}")
    text = path.read_text()
    settings: dict[str, str] = {key: value.strip() for key, value in _SETTING.findall(text)}
    shared = directory / settings["with"] if "with" in settings else None
    texts = [text, *([shared.read_text()] if shared else [])]
    return Recipe(
        name=name,
        requirements=path,
        digest=hashlib.sha256("".join(texts).encode()).hexdigest(),
        python=settings.get("python", "3.11"),
        imports=tuple(settings.get("imports", "").split()),
        commands=tuple(settings.get("commands", "").split()),
        shared=shared,
    )


def recipe_names(directory: Path = RECIPES) -> tuple[str, ...]:
    """Return the toolchains with a recipe."""
    return tuple(sorted(path.stem for path in directory.glob("*.txt")))
