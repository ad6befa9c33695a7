"""Fixtures live in `plugins/`, one concern each."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each of hundreds of processes would recompile everything

pytest_plugins = [
    "plugins.fix_cluster",
    "plugins.fix_disks",
    "plugins.fix_kube",
    "plugins.fix_nats",
    "plugins.fix_oci",
    "plugins.fix_places",
    "plugins.fix_platform",
    "plugins.fix_timeouts",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of suites."""
    where = "where the scenarios of tests/everywhere run"
    parser.addoption("--place", choices=["laptop", "cluster"], default="laptop", help=where)
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/data after a deliberate change")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the longest files, so that none is left alone at the end. Tests within a file run in random order."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)
