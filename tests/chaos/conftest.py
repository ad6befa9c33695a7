"""`--seed` repeats a run's actions."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The seed on the command line; also $KLEVER_CHAOS_SEED."""
    parser.addoption("--seed", default=None, help="repeat the actions of an earlier run of the chaos suite")
    parser.addoption("--faults", default="", help="only these kinds of faults, separated by commas")
