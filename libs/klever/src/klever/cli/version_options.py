"""The options by which a version of a model becomes a serving; shared by `klever deploy` and `klever diff`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, get_args

import click

from klever.serving_bodies import checked_change
from kleverproto.push_policies import OnPush
from kleverproto.references import ModelRef, dns_label
from kleverproto.serving_changes import DeployVersion
from kleverproto.variants import RuntimeName

STRATEGIES = ("rolling", "recreate", "blueGreen", "canary")
Command = Callable[..., None]


@dataclass(frozen=True)
class VersionOptions:
    """The options, for any version of a model.

    Attributes:
        name: name of the serving; None for the name of the model.
        fields: the settings that are given.
    """

    name: str | None
    fields: dict[str, Any]

    def serving(self, ref: ModelRef) -> str:
        """The name of the serving."""
        return self.name or dns_label(ref.model.replace("/", "-"))

    def change(self, ref: ModelRef) -> DeployVersion:
        """The change of the serving. Raises InputError."""
        return checked_change(DeployVersion, {"model": str(ref), **self.fields})


def version_options(command: Command) -> Command:
    """Add the options; the command receives them as `version`, a VersionOptions."""

    @wraps(command)
    def run_command(*args: Any, name: str | None, strategy: str | None, on_push: str | None, **rest: Any) -> None:
        own = {field: rest.pop(field) for field in ("traffic", "replicas", "runtime")}
        own["strategy"] = {"type": strategy} if strategy else None
        own["policy"] = {"onPush": on_push} if on_push else None
        given = {field: value for field, value in own.items() if value is not None}
        command(*args, version=VersionOptions(name, given), **rest)

    decorated: Command = run_command
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


_OPTIONS = (
    click.option("--name", help="Name of the serving. Default: the name of the model."),
    click.option(
        "--traffic",
        type=click.IntRange(1, 100),
        help="Traffic of this version in percent; other versions share the rest.",
    ),
    click.option("--replicas", type=click.IntRange(1, 64), help="Number of processes. Default: unchanged, or 1."),
    click.option("--runtime", type=click.Choice(get_args(RuntimeName)), help="Default: by format."),
    click.option("--strategy", type=click.Choice(STRATEGIES), help="Rollout strategy."),
    click.option(
        "--on-push",
        type=click.Choice([each.value for each in OnPush]),
        help="Action when the tag is pushed again: keep the version, or deploy the new one.",
    ),
)
