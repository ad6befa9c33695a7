"""Entry point of the `klever` command, also as `python -m klever.cli`."""

import os

from klever.cli.app import cli
from klever.cli.commands import (
    backup,
    convert,
    demo,
    deploying,
    diffing,
    events,
    example,
    jobs,
    login,
    models,
    platform,
    projects,
    registry,
    rollouts,
    secrets,
    servings,
    toolchains,
    traffic,
)
from ormb.tracing import begin_trace

__all__ = [
    "backup",
    "cli",
    "convert",
    "demo",
    "deploying",
    "diffing",
    "events",
    "example",
    "jobs",
    "login",
    "main",
    "models",
    "platform",
    "projects",
    "registry",
    "rollouts",
    "secrets",
    "servings",
    "toolchains",
    "traffic",
]


def main() -> None:
    """Run the command line."""
    begin_trace(os.environ)
    cli(prog_name="klever")


if __name__ == "__main__":
    main()
