"""Operations on a place that scenarios need besides the commands of users."""

from typing import Any, Protocol

import psutil


class Substrate(Protocol):
    """Runs the replicas of servings."""

    def processes(self, name: str) -> list[psutil.Process]:
        """The model servers of a serving, as processes of this machine."""
        ...

    async def leftovers(self, name: str) -> list[str]:
        """Everything that exists because of a serving: processes, or objects of the cluster."""
        ...

    async def set_secret(self, name: str, value: str) -> None:
        """Sets a secret for `env` of a serving, as the operator of this place does."""
        ...

    def custom(self, program: str) -> dict[str, Any]:
        """The fields of `custom` for a Python program that a model brings."""
        ...


def model_servers(name: str, directory: str) -> list[psutil.Process]:
    """The processes of this machine, those of containers included, that serve under a name.

    Args:
        name: name of the serving.
        directory: part of the command line that distinguishes the place.
    """
    words = f"--name {name} "
    lines = ((process, _command_line(process)) for process in psutil.process_iter())
    return [process for process, line in lines if words in line and directory in line]


def _command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
