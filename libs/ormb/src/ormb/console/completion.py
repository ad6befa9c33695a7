"""`completion`, the command that every program of ours has."""

import click
from click.shell_completion import get_completion_class


def add_completion(group: click.Group, program: str) -> None:
    """Give a program the command that prints what lets a shell complete its commands and options."""

    @group.command(help=_help(program))
    @click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
    def completion(shell: str) -> None:
        found = get_completion_class(shell)
        if found is not None:
            click.echo(found(group, {}, program, f"_{program.upper()}_COMPLETE").source())


def _help(program: str) -> str:
    return f"""Print what lets a shell complete commands and options; the shell's start-up file evaluates it.

    \b
    {program} completion bash
    eval "$({program} completion bash)"        # in ~/.bashrc; with zsh in ~/.zshrc
    source ({program} completion fish | psub)  # in ~/.config/fish/config.fish
    """
