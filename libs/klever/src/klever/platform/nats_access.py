"""NATS credentials: a key for each service and each external system, and the configuration of the server."""

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import nkeys
from pydantic import Field, TypeAdapter, ValidationError

from klever.errors import PlatformError
from kleverkit.durable import replace_file
from kleverproto import permissions
from kleverproto.base import WireModel
from kleverproto.streams import CONSUMERS, TOPOLOGY

from .home import NatsFiles
from .nats_config import ACCOUNT, Client, server_config

OPERATOR = "operator"
"""The name of the operator, who has all permissions, for inspection and recovery."""
SERVICES = (*permissions.SERVICES, TOPOLOGY)
OWN_CLIENTS = (*SERVICES, OPERATOR)
"""The clients of the platform, each with a key."""
RESERVED = {ACCOUNT, *OWN_CLIENTS, *(consumer.durable for consumer in CONSUMERS)}


class External(WireModel):
    """A system outside the platform that publishes or receives events."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")
    key: str
    """The public NKey; only the system itself has the seed."""
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]

    @property
    def harmless_request(self) -> str:
        """Return a subject to which the server responds: information about a consumer of this system."""
        return next(each for each in self.permissions().publish if each.startswith("$JS.API.CONSUMER.INFO."))

    def permissions(self) -> permissions.Permissions:
        """The permissions. Raises PlatformError if they exceed those of external systems."""
        try:
            return permissions.external_permissions(self.name, publish=self.publish, subscribe=self.subscribe)
        except ValueError as error:
            raise PlatformError(f"invalid permissions for {self.name}: {error}") from error


_EXTERNALS = TypeAdapter(list[External])


class NatsAccess:
    """Manages the files, which only their owner can read.

    Args:
        files: their paths; a missing directory is created.
    """

    def __init__(self, files: NatsFiles) -> None:
        self._files = files

    def prepare(self) -> None:
        """Create missing keys, and write the configuration. Raises PlatformError, OSError."""
        with self._locked():
            replace_file(self._files.config, self._rendered(self.externals()))

    def externals(self) -> list[External]:
        """Return the external systems with credentials. Raises PlatformError."""
        try:
            return parsed_externals(self._files.externals.read_bytes(), str(self._files.externals))
        except FileNotFoundError:
            return []

    def add(self, name: str, *, publish: Sequence[str], subscribe: Sequence[str]) -> tuple[External, str]:
        """Add an external system; returns its seed, which is not stored. Raises PlatformError, OSError."""
        seed = new_seed()
        with self._locked():
            externals = self.externals()
            if name in RESERVED or any(one.name == name for one in externals):
                raise PlatformError(
                    f"{name} already has credentials, or is a name of the platform: choose another name"
                )
            try:
                new = External(name=name, key=public_key(seed), publish=tuple(publish), subscribe=tuple(subscribe))
            except ValidationError as error:
                raise PlatformError(
                    f"{name!r} is not a valid name: use lower-case letters, digits and hyphens"
                ) from error
            self._keep([*externals, new])
        return new, seed

    def remove(self, name: str) -> None:
        """Revoke the credentials of an external system. Raises PlatformError, OSError."""
        with self._locked():
            externals = self.externals()
            remaining = [one for one in externals if one.name != name]
            if remaining == externals:
                raise PlatformError(
                    f"{name} has no credentials. List the systems with `klever events credentials --list`"
                )
            self._keep(remaining)

    def _keep(self, externals: list[External]) -> None:
        config = self._rendered(externals)  # first, because it validates the permissions
        replace_file(self._files.externals, _EXTERNALS.dump_json(externals, by_alias=True, indent=1))
        replace_file(self._files.config, config)

    def _rendered(self, externals: list[External]) -> bytes:
        return access_config({name: self._key(name) for name in OWN_CLIENTS}, externals).encode()

    def _key(self, name: str) -> str:
        """Return the public key of a service. Creates its seed if there is no readable one."""
        path = self._files.credentials_of(name)
        try:
            key = public_key(path.read_text())
            path.chmod(0o600)
        except (FileNotFoundError, nkeys.NkeysError, ValueError):
            seed = new_seed()
            replace_file(path, f"{seed}\n".encode())
            return public_key(seed)
        return key

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Serialize writers."""
        self._files.directory.mkdir(parents=True, exist_ok=True)
        self._files.directory.chmod(0o700)
        lock = os.open(self._files.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def parsed_externals(content: bytes | str, source: str) -> list[External]:
    """Return the external systems in a list, in JSON. Raises PlatformError, which names the source."""
    try:
        return _EXTERNALS.validate_json(content)
    except ValidationError as error:
        raise PlatformError(
            f"{source} cannot be read. Restore it, or remove it and issue all credentials again"
        ) from error


def access_config(keys: Mapping[str, str], externals: Sequence[External]) -> str:
    """Return the configuration of nats-server.

    Args:
        keys: public NKeys of OWN_CLIENTS, by name.
        externals: external systems.

    Raises:
        PlatformError: the permissions of an external system exceed those of external systems.
    """
    names = [one.name for one in externals]
    clients = {name: Client(keys[name], permissions.service_permissions(name, names)) for name in permissions.SERVICES}
    clients[TOPOLOGY] = Client(keys[TOPOLOGY], permissions.topology_permissions())
    clients |= {one.name: Client(one.key, one.permissions()) for one in externals}
    return server_config(keys[OPERATOR], clients)


def new_seed() -> str:
    """Return the seed of a new NKey."""
    return str(nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER).decode())


def public_key(seed: str) -> str:
    """Return the public NKey of a seed. Raises nkeys.NkeysError, ValueError."""
    return str(nkeys.from_seed(bytearray(seed.strip().encode())).public_key.decode())
