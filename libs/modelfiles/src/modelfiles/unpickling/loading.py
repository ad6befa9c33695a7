"""Loads pickles and joblib files: only listed or trusted classes and functions are imported and called."""

import pickle
import sys
from importlib import import_module
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any

from .allowlist import TORCHSCRIPT, Allowlist, Pair, Use
from .arrays import ArrayWrapper
from .compression import unpacked
from .errors import RefusedPickleError
from .machine import Machine
from .reading import Report, examine_whole
from .streams import StrictStream

NAMES_SHOWN = 5

_PythonUnpickler: Any = pickle._Unpickler  # noqa: SLF001 - as in `machine`


def load(path: Path, allowed: Allowlist) -> Any:
    """Return the object of a pickle or joblib file, which may be compressed.

    The file is first read without loading, so that no part of it runs if any part is rejected.

    Raises:
        RefusedPickleError: it names a class or function that is neither listed nor trusted, or cannot be parsed
            completely.
        Exception: any error of the classes in it.
    """
    with path.open("rb") as file:
        if (refused := refusal(examine_whole(file, allowed))) is not None:
            raise RefusedPickleError(refused)
        file.seek(0)
        return Loader(StrictStream(unpacked(file)), allowed).load()


def refusal(report: Report) -> str | None:
    """Return the reason why a pickle is not loaded, as a sentence; None if it is loaded."""
    if dangerous := report.pairs_with_use(Use.DANGEROUS):
        return f"it would run {_names(dangerous)}, which no model needs"
    if report.problem is not None:
        return report.problem
    if unknown := report.pairs_with_use(Use.UNKNOWN):
        options = " ".join(f"--trust {module}:{name}" for module, name in unknown[:NAMES_SHOWN])
        return f"it names {_names(unknown)}, which is not trusted: `klever projects policy set PROJECT {options}`"
    return None


class Loader(Machine):
    """Creates the real objects."""

    def resolve(self, pair: Pair, use: Use) -> Any:
        """See `Machine.resolve`.

        Raises RefusedPickleError for names that are not allowed, or that now belong to another module.
        """
        module, name = pair
        sys.audit("pickle.find_class", module, name)
        if use in {Use.UNKNOWN, Use.DANGEROUS} or TORCHSCRIPT.fullmatch(module):
            raise RefusedPickleError(f"it names {'.'.join(pair)}, which is neither listed nor trusted")
        try:
            value = getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            if pair not in self._allowed.trusted:
                raise  # another version of a known library; its loader knows which
            raise RefusedPickleError(
                f"it names {'.'.join(pair)}, which is trusted but not installed here: {error}"
            ) from error
        home = getattr(value, "__module__", None)
        if isinstance(home, str) and home.partition(".")[0] != module.partition(".")[0]:
            raise RefusedPickleError(f"it names {'.'.join(pair)}, which {home} defines")
        return value

    def call(self, function: Any, arguments: tuple[Any, ...]) -> Any:
        """See `Machine.call`."""
        return function(*arguments)

    def new(self, kind: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """See `Machine.new`."""
        return kind.__new__(kind, *arguments, **named)

    def set_state(self, made: Any, state: Any) -> None:
        """See `Machine.set_state`; like Python's parser."""
        if isinstance(made, type | FunctionType | MethodType | ModuleType):
            raise RefusedPickleError(f"it sets attributes of a {type(made).__name__}")
        self.stack.append(state)
        _PythonUnpickler.load_build(self)

    def array(self, wrapper: ArrayWrapper) -> Any:
        """See `Machine.array`."""
        return wrapper.read(self._stream)


def _names(pairs: list[Pair]) -> str:
    shown = ", ".join(".".join(pair) for pair in pairs[:NAMES_SHOWN])
    more = len(pairs) - NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
