"""Where the platform keeps its state on this machine."""

from dataclasses import dataclass
from pathlib import Path

from klever.errors import PlatformError
from kleverkit.directories import home_directory
from kleverkit.errors import PermanentError

PRIVATE = 0o700
ACCOUNTS_SETTING = "KLEVER_REGISTRY_ACCOUNTS"
"""Environment variable that names another file of accounts than the home's."""


@dataclass(frozen=True)
class NatsFiles:
    """Keys of those who may connect to NATS, and the server's configuration, in a directory of their own."""

    directory: Path

    @property
    def config(self) -> Path:
        """What nats-server reads; it holds public keys only."""
        return self.directory / "nats-server.conf"

    @property
    def externals(self) -> Path:
        """Which external systems have credentials."""
        return self.directory / "externals.json"

    def credentials_of(self, name: str) -> Path:
        """The file with the seed of a service, or of an operator."""
        return self.directory / f"{name}.nk"


@dataclass(frozen=True)
class Home:
    """A directory with everything that one platform keeps."""

    path: Path

    @classmethod
    def default(cls) -> "Home":
        """The home that every command and service uses. Raises PlatformError if this user has no home directory."""
        try:
            return cls(home_directory())
        except PermanentError as error:
            raise PlatformError(str(error)) from error

    @property
    def logs(self) -> Path:
        """One file for each part."""
        return self.path / "logs"

    @property
    def state(self) -> Path:
        """What runs now, and where."""
        return self.path / "run" / "platform.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor."""
        return self.path / "run" / "lock"

    @property
    def accounts(self) -> Path:
        """Who may use the registry besides the platform itself; the file may come later."""
        return self.path / "accounts.yaml"

    @property
    def nats_files(self) -> NatsFiles:
        """Who may connect to NATS; not beside its store, which may be lost."""
        return NatsFiles(self.path / "credentials" / "nats")

    @property
    def secrets(self) -> Path:
        """What servings name as `{secret: …}`."""
        return self.path / "secrets"

    @property
    def token(self) -> Path:
        """What everybody who asks the platform has to send."""
        return self.path / "token"

    @property
    def registry_password(self) -> Path:
        """That of the user `klever` in the registry, who is the platform and the user that runs it."""
        return self.path / "credentials" / "registry-password"

    def of(self, part: str) -> Path:
        """Where a part keeps its own."""
        return self.path / part

    def log_of(self, part: str) -> Path:
        """A part's log."""
        return self.logs / f"{part}.log"

    def create(self) -> None:
        """Make the directories, for the owner only. Raises PlatformError."""
        for path in (self.path, self.logs, self.state.parent):
            path.mkdir(parents=True, exist_ok=True)
        try:
            self.path.chmod(PRIVATE)
        except OSError as error:
            raise PlatformError(
                f"{self.path} cannot be closed to other users ({error.strerror}): give it to the user that runs the "
                "platform, or set KLEVER_HOME to another directory"
            ) from error
