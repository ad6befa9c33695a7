"""Responses without an end: events of a watch, and connections to close."""

import json

import aiohttp

from kleverkube.manifest import Manifest

from .failures import ApiUnavailableError, failure


def event_of(line: bytes, what: str) -> Manifest:
    """An event of a watch. Raises the error that an event of type ERROR is."""
    try:
        event: Manifest = json.loads(line)
        kind, changed = event["type"], event["object"]
    except (ValueError, KeyError, TypeError) as error:
        raise ApiUnavailableError(f"{what}: an event is not valid") from error
    if kind == "ERROR":
        raise failure(int(changed.get("code", 0)) or 500, json.dumps(changed), what)
    return event


def abort(response: aiohttp.ClientResponse) -> None:
    """Close the connection of a stream that has not ended; TLS would wait for the server in the background."""
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
