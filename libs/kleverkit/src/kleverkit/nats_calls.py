"""Calls of the NATS client, with unresponsive servers and missing streams as TransientError."""

from collections.abc import Awaitable
from typing import TypeVar

import nats.errors
import nats.js.errors
from nats.aio.client import Client

from .errors import TooLargeError, TransientError
from .tasks import cancellable

ResultT = TypeVar("ResultT")

MESSAGE_NOT_FOUND = 10037
"""JetStream's error code for a message that is not in the stream; a missing stream has another code."""
TOO_LARGE = "it is larger than the limit of NATS for messages (max_payload)"


async def call(awaitable: Awaitable[ResultT]) -> ResultT:
    """Await a response of NATS.

    Raises:
        TransientError: the server, the stream or the consumer is not available.
        TooLargeError: the request is larger than the limit for messages.
        nats.js.errors.APIError: the server refuses the request, or the message does not exist.
    """
    try:
        return await cancellable(awaitable)
    except (nats.js.errors.ServiceUnavailableError, nats.js.errors.NoStreamResponseError) as error:
        raise TransientError(f"NATS does not answer: {error}") from error
    except nats.js.errors.NotFoundError as error:
        if error.err_code == MESSAGE_NOT_FOUND:
            raise
        raise TransientError(
            f"NATS does not have the requested stream, consumer or message: {error.description or error}"
        ) from error
    except nats.js.errors.APIError:
        raise
    except nats.errors.MaxPayloadError as error:
        raise TooLargeError(TOO_LARGE) from error
    except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
        raise TransientError(f"NATS does not answer: {str(error) or type(error).__name__}") from error


class ClientSource:
    """Returns the NATS client of a broker, once it is connected."""

    def __init__(self) -> None:
        self._client: Client | None = None

    def set(self, client: Client) -> None:
        """Set the client; called when the broker has connected."""
        self._client = client

    def __call__(self) -> Client:
        """The client.

        Raises:
            TransientError: not connected yet.
        """
        if self._client is None:
            raise TransientError("not connected to NATS yet")
        return self._client

    @property
    def is_connected(self) -> bool:
        """Return whether requests can be sent now."""
        return self._client is not None and self._client.is_connected
