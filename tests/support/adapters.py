"""Parameters of contract suites, which run against all adapters of a port."""

from collections.abc import Iterable
from typing import Any

import pytest

NEEDS = dict.fromkeys(("kubernetes", "seldon", "kserve"), pytest.mark.api_server)
"""Adapters that need a server which `task test` does not start."""


def adapters(names: Iterable[str]) -> list[Any]:
    """Return the names as parameters of a fixture."""
    return [pytest.param(name, marks=NEEDS.get(name, ())) for name in names]
