"""Which classes and functions a pickle may name: exact pairs of module and name, and what each may be used for.

`known_basics.txt` is written by hand: Python, NumPy, SciPy, pandas, PyTorch. `known_models.txt` is generated from the
toolchains by `tools/allowlist.py`. A line is: use, module, name.

Whatever is listed must be harmless when it is called with any arguments, and when it is given any state: attributes
of a model are called by its methods. So there is none that writes a file, imports by name, runs text (the distributions
of scipy.stats run theirs in `__setstate__`) or looks up by name what it calls.
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
"""Of the environment: what this process and its children trust, with commas between."""
LISTS = ("known_basics.txt", "known_models.txt")
Pair = tuple[str, str]
"""Module and name."""
TORCHSCRIPT = re.compile(r"__torch__(\.\w+)*")
"""Classes that a TorchScript archive defines itself; there is no such module in Python."""
SCRIPT = "__main__"
"""The module of what a script or notebook defines."""
TRUST = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
"""How a class or function is named to be trusted: my.module:MyTransformer."""
_RUN_ANYTHING = frozenset(
    {"__builtin__", "cloudpickle", "commands", "dill", "distutils", "joblib", "os2", "pip", "setuptools"}
)
"""Packages besides Python's own whose functions load or run what they are given."""


class Use(StrEnum):
    """What a pickle may use a class or function for."""

    CLASS = "class"
    """To make an object of it, and as a value."""
    FUNCTION = "function"
    """To call it, and as a value."""
    VALUE = "value"
    """As a value only, such as the function of a FunctionTransformer: models call it, pickles do not."""
    UNKNOWN = "unknown"
    """Nobody has listed it. A project may trust it."""
    DANGEROUS = "dangerous"
    """Runs commands, reads files or imports: of Python itself, or a dotted name, which reaches through a module."""


@dataclass(frozen=True)
class Allowlist:
    """What may be named.

    Attributes:
        trusted: pairs that are allowed beside the listed ones; they may be used for anything.
    """

    trusted: frozenset[Pair] = frozenset()

    @classmethod
    def from_environment(cls) -> "Allowlist":
        """What this process may name: see `trust_only`."""
        names = os.environ.get(VARIABLE, "").split(",")
        return cls(frozenset(parse_trust(name) for name in names if name))

    def use(self, pair: Pair) -> Use:
        """What the class or function may be used for."""
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
        """Whether a pickle may name it at all."""
        return self.use(pair) not in {Use.UNKNOWN, Use.DANGEROUS}


def parse_trust(text: str) -> Pair:
    """The pair in `module:Name`. Raises ValueError where there is none, or one that must not be trusted."""
    if not TRUST.fullmatch(text):
        raise ValueError(f"{text!r} names no class or function: write it as my.module:MyTransformer")
    module, _, name = text.partition(":")
    if module == SCRIPT:
        raise ValueError(f"{text} is of a script, which nothing else can load: move it into a module and save again")
    if Allowlist().use((module, name)) is Use.DANGEROUS:
        raise ValueError(f"{text} cannot be trusted: with it a file can run anything")
    return module, name


def trust_only(names: Iterable[str]) -> None:
    """Have this process, and those that it starts, trust these besides the list, and no others from the environment."""
    os.environ[VARIABLE] = ",".join(names)


def current_name(pair: Pair) -> Pair:
    """What Python 3 calls a name of Python 2, as unpickling does for protocols below 3."""
    module, name = pair
    return NAME_MAPPING.get(pair) or (IMPORT_MAPPING.get(module, module), name)


@cache
def _listed() -> dict[Pair, Use]:
    lines = [line for name in LISTS for line in (Path(__file__).parent / name).read_text().splitlines()]
    words = [line.split() for line in lines if line and not line.startswith("#")]
    return {(module, name): Use(use) for use, module, name in words}
