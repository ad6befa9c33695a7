"""The configuration of a nats-server that requires credentials; pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kleverproto.permissions import INBOX, Permissions

ACCOUNT = "klever"
"""The account with JetStream. Only operators use it directly."""
JETSTREAM_INFO = "$JS.API.INFO"
"""An account that imports this subject must not have a JetStream API, which would also respond."""
LOGIN_SECONDS = 10
"""Time in seconds to log in, generous for clients on a busy machine."""


@dataclass(frozen=True)
class Client:
    """A client with its permissions.

    Attributes:
        key: public NKey.
        permissions: its permissions.
    """

    key: str
    permissions: Permissions


def server_config(operator: str, clients: Mapping[str, Client]) -> str:
    """Return the configuration of nats-server, which accepts JSON.

    Each client has a separate account, which imports the subjects that it may publish to as services, so that responses
    are delivered to the requesting account. In a shared account, the sender of a request could direct the response to
    any subject, such as the subject of a document: the server does not check that.

    Args:
        operator: public NKey of operators, who have all permissions.
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
