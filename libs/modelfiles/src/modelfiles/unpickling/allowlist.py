"""The classes and functions that a pickle may name: exact pairs of module and name, with their allowed use.

`known_basics.txt` is maintained by hand: Python, NumPy, SciPy, pandas, PyTorch. `known_models.txt` is generated from
the toolchains by `tools/allowlist.py`. A line has the form: use, module, name.

Listed classes and functions must be harmless when they are called with any arguments, and when any state is set:
attributes of a model are called by its methods. Therefore none of them writes files, imports by name, executes text
(the distributions of scipy.stats execute theirs in `__setstate__`) or looks up by name what it calls.
"""

import os
import re
import sys
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

VARIABLE = "KLEVER_TRUST"
"""Environment variable with the trusted names of this process and its children, separated by commas."""
LISTS = ("known_basics.txt", "known_models.txt")
Pair = tuple[str, str]
"""Module and name."""
TORCHSCRIPT = re.compile(r"__torch__(\.\w+)*")
"""Classes that a TorchScript archive defines itself; Python has no such module."""
SCRIPT = "__main__"
"""The module of classes and functions defined in a script or notebook."""
TRUST = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
"""The syntax of a trusted class or function: my.module:MyTransformer."""
_RUN_ANYTHING = frozenset(
    {"__builtin__", "cloudpickle", "commands", "dill", "distutils", "joblib", "os2", "pip", "setuptools"}
)
"""Packages besides Python's own with functions that load or execute their arguments."""


class Use(StrEnum):
    """The allowed use of a class or function."""

    CLASS = "class"
    """Create objects of it, and use it as a value."""
    FUNCTION = "function"
    """Call it, and use it as a value."""
    VALUE = "value"
    """Use it only as a value, such as the function of a FunctionTransformer, which models call but pickles do not."""
    UNKNOWN = "unknown"
    """Not listed. A project may trust it."""
    DANGEROUS = "dangerous"
    """Runs commands, reads files or imports: a part of Python itself, or a dotted name, which reaches into a module."""


@dataclass(frozen=True)
class Allowlist:
    """The classes and functions that a pickle may name.

    Attributes:
        trusted: pairs that are allowed for any use, in addition to the listed ones.
    """

    trusted: frozenset[Pair] = frozenset()

    @classmethod
    def from_environment(cls) -> "Allowlist":
        """Return the allowlist of this process: see `trust_only`."""
        names = os.environ.get(VARIABLE, "").split(",")
        return cls(frozenset(parse_trust(name) for name in names if name))

    def use(self, pair: Pair) -> Use:
        """Return the allowed use of a class or function."""
        module, name = pair
        if (listed := _listed().get(pair)) is not None:
            return listed
        if TORCHSCRIPT.fullmatch(module) and name.isidentifier():
            return Use.CLASS
        package = module.partition(".")[0]
        if "." in name or package in sys.stdlib_module_names or package in _RUN_ANYTHING:
            return Use.DANGEROUS
        return Use.CLASS if pair in self.trusted else Use.UNKNOWN

    def admits(self, pair: Pair) -> bool:
        """Return whether a pickle may name it at all."""
        return self.use(pair) not in {Use.UNKNOWN, Use.DANGEROUS}


def parse_trust(text: str) -> Pair:
    """Parse `module:Name`. Raises ValueError if the syntax is wrong, or the pair must not be trusted."""
    if not TRUST.fullmatch(text):
        raise ValueError(f"{text!r} is not the name of a class or function: write it as my.module:MyTransformer")
    module, _, name = text.partition(":")
    if module == SCRIPT:
        raise ValueError(
            f"{text} is defined in a script, which other processes cannot load: move it into a module and save again"
        )
    if Allowlist().use((module, name)) is Use.DANGEROUS:
        raise ValueError(f"{text} cannot be trusted: it allows files to run any code")
    return module, name


def trust_only(names: Iterable[str]) -> None:
    """Let this process and its children trust these names besides the list, and no others from the environment."""
    os.environ[VARIABLE] = ",".join(names)


def current_name(pair: Pair) -> Pair:
    """Return the name in Python 3 for a name in Python 2, as unpickling does for protocols below 3."""
    module, name = pair
    return NAME_MAPPING.get(pair) or (IMPORT_MAPPING.get(module, module), name)


@cache
def _listed() -> dict[Pair, Use]:
    lines = [line for name in LISTS for line in (Path(__file__).parent / name).read_text().splitlines()]
    words = [line.split() for line in lines if line and not line.startswith("#")]
    return {(module, name): Use(use) for use, module, name in words}
