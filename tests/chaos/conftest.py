"""The option `--seed` repeats the actions of a run."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the seed, which may also be $KLEVER_CHAOS_SEED."""
    parser.addoption("--seed", default=None, help="repeat the actions of an earlier run of the chaos suite")
    parser.addoption("--faults", default="", help="only these kinds of faults, separated by commas")
