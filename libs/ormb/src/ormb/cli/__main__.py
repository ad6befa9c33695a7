"""Entry point of the `ormb` command."""

import os

from ormb.cli.app import cli
from ormb.cli.commands import account, comparison, inspection, registry, store, transfer
from ormb.tracing import begin_trace

__all__ = ["account", "cli", "comparison", "inspection", "main", "registry", "store", "transfer"]


def main() -> None:
    """Run the command line."""
    begin_trace(os.environ)
    cli(prog_name="ormb")


if __name__ == "__main__":
    main()
