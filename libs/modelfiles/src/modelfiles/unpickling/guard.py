"""Applies the allowlist to other unpicklers: those inside MLflow and PyTorch.

Python reports each class or function that an unpickler is about to import (PEP 578); an error rejects it.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .allowlist import Allowlist, current_name
from .arrays import WRAPPERS
from .errors import RefusedPickleError

FIND_CLASS = "pickle.find_class"


@contextmanager
def guarded(allowed: Allowlist) -> Iterator[None]:
    """Let every unpickler of this process reject names that are not allowed, while the block runs.

    A pickle with other names fails with a RefusedPickleError.
    """
    with _state.lock:
        if not _state.is_installed:
            sys.addaudithook(_refuse)  # permanent: hooks cannot be removed
            _state.is_installed = True
        before, _state.allowed = _state.allowed, allowed
    try:
        yield
    finally:
        _state.allowed = before


class _State:
    """The settings of the hook."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.is_installed = False
        self.allowed: Allowlist | None = None


_state = _State()


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    allowed = _state.allowed
    if event != FIND_CLASS or allowed is None:
        return
    pair = arguments[0], arguments[1]
    # In protocols below 3, names of Python 2 are mapped; in later protocols, unmapped names are not importable.
    if pair in WRAPPERS or not (allowed.admits(pair) or allowed.admits(current_name(pair))):
        raise RefusedPickleError(f"a pickle names {'.'.join(map(str, pair))}, which is neither listed nor trusted")
