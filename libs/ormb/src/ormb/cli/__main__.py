"""Entry point of the `ormb` command."""

from ormb.cli.app import cli
from ormb.cli.commands import account, comparison, inspection, registry, store, transfer

__all__ = ["account", "cli", "comparison", "inspection", "main", "registry", "store", "transfer"]


def main() -> None:
    """Run the command line."""
    cli(prog_name="ormb")


if __name__ == "__main__":
    main()
