"""Secrets of servings on one machine, each in a file for its owner only. Documents contain only their names."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kleverproto.variants import SecretRef

from .durable import replace_file

LARGEST = 64 * 1024
"""Limit of a secret in bytes; the limit of a whole environment is about twice as large."""


class SecretNotFoundError(LookupError):
    """A serving refers to a secret that does not exist; the message contains the command that sets it."""


@dataclass(frozen=True)
class SecretFiles:
    """The secrets below a directory, by namespace. Names are DNS labels; callers must validate them."""

    directory: Path

    def set(self, namespace: str, name: str, value: str) -> None:
        """Create or replace a secret.

        Raises:
            ValueError: the value is not valid in an environment.
            OSError: the secret cannot be written.
        """
        if not value or "\0" in value or len(value.encode()) > LARGEST:
            raise ValueError(f"a secret must be text of 1 to {LARGEST} bytes without a zero byte")
        place = self.directory / namespace
        for folder in (self.directory, place):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
        replace_file(place / name, value.encode())

    def get(self, namespace: str, name: str) -> str:
        """The value of a secret. Raises SecretNotFoundError."""
        try:
            return (self.directory / namespace / name).read_text()
        except FileNotFoundError as error:
            raise SecretNotFoundError(
                f"secret {name} not found in namespace {namespace}: create it with `klever secrets set {name}`"
            ) from error

    def delete(self, namespace: str, name: str) -> None:
        """Delete a secret. Raises SecretNotFoundError."""
        self.get(namespace, name)
        (self.directory / namespace / name).unlink()

    def names(self) -> list[tuple[str, str]]:
        """The namespaces and names of all secrets."""
        return sorted((path.parent.name, path.name) for path in self.directory.glob("*/[!_]*"))

    def resolved(self, namespace: str, env: Mapping[str, str | SecretRef]) -> dict[str, str]:
        """The environment variables, with references replaced by secrets. Raises SecretNotFoundError."""
        return {
            name: self.get(namespace, value.secret) if isinstance(value, SecretRef) else value
            for name, value in env.items()
        }
