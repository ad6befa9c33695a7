"""The credentials of a platform on a Kubernetes cluster, as the entries of one Secret."""

import json
from collections.abc import Mapping, Sequence

import nkeys

from klever.errors import PlatformError

from .nats_access import OWN_CLIENTS, access_config, new_seed, parsed_externals, public_key
from .own_secrets import new_secret

SEEDS = tuple(f"{client}.nk" for client in OWN_CLIENTS)
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
    seeds = {name: entries[name] if name in entries else f"{new_seed()}\n" for name in SEEDS}
    keys = {client: _public_key(name, seeds[name]) for client, name in zip(OWN_CLIENTS, SEEDS, strict=True)}
    externals = parsed_externals(entries.get(EXTERNALS, "[]"), f"the entry {EXTERNALS} of the Secret")
    kept = {name: entries.get(name) or new_secret() for name in RANDOM}
    configuration = {ACCOUNTS: access_config(keys, externals), ROUTES: _routes(nodes, kept[ROUTES_PASSWORD])}
    return {**entries, **seeds, **kept, **configuration}


def _public_key(name: str, seed: str) -> str:
    try:
        return public_key(seed)
    except (nkeys.NkeysError, ValueError) as error:
        raise PlatformError(
            f"the entry {name} of the Secret is not the seed of an NKey: restore it, or remove it to create another key"
        ) from error


def _routes(nodes: Sequence[str], password: str) -> str:
    """Return the part of the block `cluster`: only servers with the password may join."""
    routes = [f"nats-route://{ROUTES_USER}:{password}@{node}:{ROUTES_PORT}" for node in nodes]
    return json.dumps({"authorization": {"user": ROUTES_USER, "password": password}, "routes": routes}, indent=1)
