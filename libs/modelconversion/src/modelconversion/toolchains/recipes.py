"""Recipes of toolchains: one pinned requirements file each, with what else must be known in its comments.

A line `# key: values` is one of: `python` (the version to make the environment with), `imports` (modules that must
import, else the environment is broken), `commands` (programs that must be on PATH), `with` (a file with what is always
installed too, which several toolchains share: what the model server needs to run in them). Every package is listed,
with its version and the hashes of its files (`tools/toolchain_hashes.py`), so that installing resolves nothing and
trusts no index.
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
    """How to make one toolchain."""

    name: str
    requirements: Path
    digest: str
    """sha256 of the files; another one means the environment is out of date."""
    python: str
    imports: tuple[str, ...]
    commands: tuple[str, ...] = ()
    shared: Path | None = None
    """What `with` names."""


def read_recipe(name: str, directory: Path = RECIPES) -> Recipe:
    """The recipe of a toolchain. Raises ConversionError when there is none of that name."""
    path = directory / f"{name}.txt"
    if path.parent != directory or not path.is_file():
        known = ", ".join(recipe_names(directory))
        raise ConversionError(TOOLCHAIN_FAILED, f"there is no toolchain {name!r}; there are: {known}")
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
    """The toolchains there are recipes for."""
    return tuple(sorted(path.stem for path in directory.glob("*.txt")))
