"""The home directory of a platform on this machine."""

from dataclasses import dataclass
from pathlib import Path

from klever.errors import PlatformError
from kleverkit.directories import home_directory
from kleverkit.errors import PermanentError

PRIVATE = 0o700
ACCOUNTS_SETTING = "KLEVER_REGISTRY_ACCOUNTS"
"""Environment variable with the path of another accounts file."""


@dataclass(frozen=True)
class NatsFiles:
    """The directory with the NATS keys and the configuration of nats-server."""

    directory: Path

    @property
    def config(self) -> Path:
        """The configuration of nats-server, which contains only public keys."""
        return self.directory / "nats-server.conf"

    @property
    def externals(self) -> Path:
        """The list of external systems with credentials."""
        return self.directory / "externals.json"

    def credentials_of(self, name: str) -> Path:
        """Return the path of the file with the seed of a service or of the operator."""
        return self.directory / f"{name}.nk"


@dataclass(frozen=True)
class PrometheusFiles:
    """The directory of a Prometheus that scrapes the platform."""

    directory: Path

    @property
    def config(self) -> Path:
        """The targets and rule files."""
        return self.directory / "prometheus.yml"

    @property
    def web_config(self) -> Path:
        """The login of its HTTP API."""
        return self.directory / "web.yml"

    @property
    def rules(self) -> Path:
        """The recording rules and alerts."""
        return self.directory / "klever.rules.yml"

    @property
    def consoles(self) -> Path:
        """The dashboards as pages."""
        return self.directory / "consoles"


@dataclass(frozen=True)
class Home:
    """The directory with the state of one platform."""

    path: Path

    @classmethod
    def default(cls) -> "Home":
        """Return the home of all commands and services. Raises PlatformError if this user has no home directory."""
        try:
            return cls(home_directory())
        except PermanentError as error:
            raise PlatformError(str(error)) from error

    @property
    def logs(self) -> Path:
        """The directory of logs, with one file per process."""
        return self.path / "logs"

    @property
    def state(self) -> Path:
        """The file with the running processes and their addresses."""
        return self.path / "run" / "platform.json"

    @property
    def lock(self) -> Path:
        """The lock file of the supervisor."""
        return self.path / "run" / "lock"

    @property
    def accounts(self) -> Path:
        """The accounts of the registry, besides that of the platform; the file can be created later."""
        return self.path / "accounts.yaml"

    @property
    def nats_files(self) -> NatsFiles:
        """The NATS credentials. They are not in the directory of NATS's store, which can be lost."""
        return NatsFiles(self.path / "credentials" / "nats")

    @property
    def prometheus_files(self) -> PrometheusFiles:
        """The files of Prometheus."""
        return PrometheusFiles(self.path / "prometheus")

    @property
    def secrets(self) -> Path:
        """The secrets of servings, `{secret: …}` in documents."""
        return self.path / "secrets"

    @property
    def token(self) -> Path:
        """The file with the token of the gateway."""
        return self.path / "token"

    @property
    def registry_password(self) -> Path:
        """The file with the password of the platform's own registry account, `klever`."""
        return self.path / "credentials" / "registry-password"

    def of(self, part: str) -> Path:
        """Return the directory of a service."""
        return self.path / part

    def log_of(self, part: str) -> Path:
        """Return the log file of a process."""
        return self.logs / f"{part}.log"

    def create(self) -> None:
        """Create the directories, private to their owner. Raises PlatformError."""
        for path in (self.path, self.logs, self.state.parent):
            path.mkdir(parents=True, exist_ok=True)
        try:
            self.path.chmod(PRIVATE)
        except OSError as error:
            raise PlatformError(
                f"cannot make {self.path} private ({error.strerror}): change its owner to the user who runs the "
                "platform, or set KLEVER_HOME to another directory"
            ) from error
