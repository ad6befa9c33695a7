"""Secrets of servings on one machine: a file each, that only its owner reads. Documents hold their names only."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kleverproto.variants import SecretRef

from .durable import replace_file

LARGEST = 64 * 1024
"""Bytes; an environment holds about twice as much in all."""


class SecretNotFoundError(LookupError):
    """A serving names a secret that is not there; the message says how it is set."""


@dataclass(frozen=True)
class SecretFiles:
    """The secrets below a directory, by namespace. Names are DNS labels, checked by whoever passes them in."""

    directory: Path

    def set(self, namespace: str, name: str, value: str) -> None:
        """Keep a secret, in the place of an older one of that name.

        Raises:
            ValueError: no environment can hold the value.
            OSError: it cannot be written.
        """
        if not value or "\0" in value or len(value.encode()) > LARGEST:
            raise ValueError(f"a secret is text of 1 to {LARGEST} bytes, without a zero byte")
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
                f"there is no secret {name} in namespace {namespace}: `klever secrets set {name}` sets it"
            ) from error

    def delete(self, namespace: str, name: str) -> None:
        """Forget a secret. Raises SecretNotFoundError."""
        self.get(namespace, name)
        (self.directory / namespace / name).unlink()

    def names(self) -> list[tuple[str, str]]:
        """Namespace and name of every secret."""
        return sorted((path.parent.name, path.name) for path in self.directory.glob("*/[!_]*"))

    def resolved(self, namespace: str, env: Mapping[str, str | SecretRef]) -> dict[str, str]:
        """Environment variables with the values of the secrets that they name. Raises SecretNotFoundError."""
        return {
            name: self.get(namespace, value.secret) if isinstance(value, SecretRef) else value
            for name, value in env.items()
        }
