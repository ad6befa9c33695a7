"""The `completion` command of the command lines."""

import click
from click.shell_completion import get_completion_class


def add_completion(group: click.Group, program: str) -> None:
    """Add the command that prints the completion script of a program."""

    @group.command(help=_help(program))
    @click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
    def completion(shell: str) -> None:
        completer = get_completion_class(shell)
        if completer is not None:
            click.echo(completer(group, {}, program, f"_{program.upper()}_COMPLETE").source())


def _help(program: str) -> str:
    return f"""Print the completion script for a shell. Evaluate it in the start-up file of the shell.

    \b
    {program} completion bash
    eval "$({program} completion bash)"        # in ~/.bashrc; with zsh in ~/.zshrc
    source ({program} completion fish | psub)  # in ~/.config/fish/config.fish
    """
