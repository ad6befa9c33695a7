"""Entry point of the `klever` command, also as `python -m klever.cli`."""

from klever.cli.app import cli
from klever.cli.commands import (
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

__all__ = [
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
    cli(prog_name="klever")


if __name__ == "__main__":
    main()
