"""The allowlist for unpicklers that are not ours: those inside MLflow and PyTorch.

Python reports each class or function that any of its unpicklers is about to import (PEP 578), and takes an error for a
refusal.
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
    """Have every unpickler of this process refuse what is not allowed, until the block ends.

    A pickle that names anything else ends with a RefusedPickleError.
    """
    with _state.lock:
        if not _state.is_installed:
            sys.addaudithook(_refuse)  # for good: hooks cannot be removed
            _state.is_installed = True
        before, _state.allowed = _state.allowed, allowed
    try:
        yield
    finally:
        _state.allowed = before


class _State:
    """What the hook goes by."""

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
    # A name of Python 2 means another one in protocols below 3; what is not mapped is not importable in later ones.
    if pair in WRAPPERS or not (allowed.admits(pair) or allowed.admits(current_name(pair))):
        raise RefusedPickleError(f"a pickle names {'.'.join(map(str, pair))}, which is neither listed nor trusted")
