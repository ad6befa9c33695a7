"""Awaits responses of NATS."""

from collections.abc import Awaitable
from typing import TypeVar

import nats.errors
import nats.js.errors

from .errors import BackupError

ResultT = TypeVar("ResultT")


async def answered(awaitable: Awaitable[ResultT]) -> ResultT:
    """Await a response. Raises BackupError if there is none, or if the server refuses the request."""
    try:
        return await awaitable
    except nats.js.errors.APIError as error:
        raise BackupError(f"NATS refuses a request: {error.description or error}") from error
    except (nats.errors.Error, OSError, TimeoutError) as error:
        raise BackupError(f"NATS does not answer: {str(error) or type(error).__name__}") from error
