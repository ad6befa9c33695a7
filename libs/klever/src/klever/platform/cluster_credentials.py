"""The credentials of a platform on a Kubernetes cluster, as the entries of one Secret."""

import json
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import nkeys

from klever.errors import PlatformError

from .home import NatsFiles
from .nats_access import OPERATOR, SERVICES, NatsAccess
from .own_secrets import BYTES

SEEDS = tuple(f"{name}.nk" for name in (*SERVICES, OPERATOR))
TOKEN, REGISTRY_PASSWORD, WEBHOOK_SECRET = "token", "registry-password", "webhook-secret"
ROUTES_PASSWORD = "nats-routes-password"  # noqa: S105 - the name of an entry
RANDOM = (TOKEN, REGISTRY_PASSWORD, WEBHOOK_SECRET, ROUTES_PASSWORD)
EXTERNALS = "externals.json"
ACCOUNTS, ROUTES = "nats-accounts.conf", "nats-routes.conf"
"""Parts of the configuration of nats-server, in JSON, which it accepts."""
ROUTES_USER, ROUTES_PORT = "klever", 6222


def completed(entries: Mapping[str, str], nodes: Sequence[str] = ()) -> dict[str, str]:
    """Return the entries with those that are missing, and with the configuration of this release.

    Keys, passwords and tokens that exist are never replaced.

    Args:
        entries: entries of the Secret, which is empty before the installation.
        nodes: host names of the nodes of a NATS cluster.

    Raises:
        PlatformError: an entry is not valid.
    """
    for name in SEEDS:
        if name in entries:
            _check_seed(name, entries[name])
    kept = {name: entries.get(name) or secrets.token_urlsafe(BYTES) for name in RANDOM}
    with tempfile.TemporaryDirectory() as directory:
        files = NatsFiles(Path(directory) / "nats")
        given = {name: text for name, text in entries.items() if name in {*SEEDS, EXTERNALS}}
        configured = _configured(files, given)
    return {**entries, **kept, **configured, ROUTES: _routes(nodes, kept[ROUTES_PASSWORD])}


def _configured(files: NatsFiles, given: Mapping[str, str]) -> dict[str, str]:
    """Return the seeds, and the configuration with their public keys."""
    files.directory.mkdir()
    for name, text in given.items():
        (files.directory / name).write_text(text)
    NatsAccess(files).prepare()
    seeds = {name: (files.directory / name).read_text() for name in SEEDS}
    return {**seeds, ACCOUNTS: files.config.read_text()}


def _check_seed(name: str, seed: str) -> None:
    try:
        nkeys.from_seed(bytearray(seed.strip().encode())).wipe()
    except (nkeys.NkeysError, ValueError) as error:
        raise PlatformError(
            f"the entry {name} of the Secret is not the seed of an NKey: restore it, or remove it to create another key"
        ) from error


def _routes(nodes: Sequence[str], password: str) -> str:
    """Return the part of the block `cluster`: only servers with the password may join."""
    routes = [f"nats-route://{ROUTES_USER}:{password}@{node}:{ROUTES_PORT}" for node in nodes]
    return json.dumps({"authorization": {"user": ROUTES_USER, "password": password}, "routes": routes}, indent=1)
