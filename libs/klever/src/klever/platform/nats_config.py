"""The configuration of a nats-server that requires credentials; pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kleverproto.permissions import INBOX, Permissions

ACCOUNT = "klever"
"""The account whose JetStream holds everything; only operators are in it."""
JETSTREAM_INFO = "$JS.API.INFO"
"""An account that imports this has no JetStream API of its own, which would answer besides that of ACCOUNT."""
LOGIN_SECONDS = 10
"""A client on a busy machine may take this long to log in."""


@dataclass(frozen=True)
class Client:
    """Who may connect.

    Attributes:
        key: public NKey.
        permissions: what it may do.
    """

    key: str
    permissions: Permissions


def server_config(operator: str, clients: Mapping[str, Client]) -> str:
    """What nats-server reads; it takes JSON, too.

    Each client is in an account of its own and imports what it may publish to as services, so that the answer to a
    request comes back to the account that asked. In one account the sender of a request could have the answer sent to
    any subject, such as somebody's document: the server does not check that.

    Args:
        operator: public NKey of those who may do everything.
        clients: by the names of their accounts.
    """
    accounts: dict[str, Any] = {
        ACCOUNT: {
            "jetstream": "enabled",
            "users": [{"nkey": operator}],
            "exports": [{"service": ">", "response_type": "stream"}],
        }
    }
    accounts |= {name: _account(client) for name, client in clients.items()}
    return json.dumps({"authorization": {"timeout": LOGIN_SECONDS}, "accounts": accounts}, indent=1)


def _account(client: Client) -> dict[str, Any]:
    permissions = client.permissions
    publish = {"allow": list(permissions.publish), "deny": list(permissions.deny)}
    imports = [{"service": {"account": ACCOUNT, "subject": each}} for each in (JETSTREAM_INFO, *permissions.publish)]
    return {
        "users": [{"nkey": client.key, "permissions": {"publish": publish, "subscribe": {"allow": [INBOX]}}}],
        "imports": imports,
    }
