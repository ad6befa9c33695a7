"""What a conversion's result depends on besides the model: for answering the same request again without work."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from .pairs import HINTS, RUNNERS, Pair
from .recipes import RECIPES, read_recipe
from .running import PROGRAMS


def fingerprint(
    route: tuple[Pair, ...], options: Mapping[str, str], *, programs: Path = PROGRAMS, recipes: Path = RECIPES
) -> str:
    """sha256 (hex) over the programs, the pinned packages of their toolchains, the route, its tolerances and options.

    Another one means that the conversion may give another result. Raises ConversionError for an unknown toolchain.
    """
    ends = {route[0].source, route[-1].target} & set(RUNNERS)
    toolchains = {pair.toolchain for pair in route} | {RUNNERS[name].toolchain for name in ends}
    toolchains |= {HINTS[name].toolchain for name in ends & set(HINTS)}
    parts = {
        "route": [f"{pair.source} {pair.target} {pair.program} {pair.tolerance}" for pair in route],
        "options": dict(options),
        "toolchains": {name: read_recipe(name, recipes).digest for name in toolchains},
        "programs": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in programs.glob("*.py")},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
