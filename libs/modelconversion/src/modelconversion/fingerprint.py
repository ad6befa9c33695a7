"""Fingerprints of everything besides the model that affects the result of a conversion, for caching results."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from .execution import PROGRAMS, READERS
from .pairs import HINTS, RUNNERS, Pair
from .toolchains.recipes import RECIPES, read_recipe

CODE = frozenset({".py", ".txt"})
"""Suffixes of modules, and of the lists of classes and functions that pickles may load."""


def fingerprint(
    route: tuple[Pair, ...], options: Mapping[str, str], *, programs: Path = PROGRAMS, recipes: Path = RECIPES
) -> str:
    """Return the sha256 digest (hex) of everything that affects a result.

    That is the programs and the readers of files that they import, the pinned packages of their toolchains, the route,
    its tolerances and options.

    A different fingerprint means that the conversion may have another result. Raises ConversionError for an unknown
    toolchain.
    """
    ends = {route[0].source, route[-1].target} & set(RUNNERS)
    toolchains = {pair.toolchain for pair in route} | {RUNNERS[name].toolchain for name in ends}
    toolchains |= {HINTS[name].toolchain for name in ends & set(HINTS)}
    parts = {
        "route": [f"{pair.source} {pair.target} {pair.program} {pair.tolerance}" for pair in route],
        "options": dict(options),
        "toolchains": {name: read_recipe(name, recipes).digest for name in toolchains},
        "code": [_digests(programs), _digests(READERS)],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _digests(package: Path) -> dict[str, str]:
    """Map the relative path of each file of a package to its sha256 digest."""
    files = (path for path in package.rglob("*") if path.suffix in CODE)
    return {str(path.relative_to(package)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
