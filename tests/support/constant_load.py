"""Clients that send requests to a serving continuously, and the answers that each received."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from support.waiting import eventually

ONE = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1.0]}]}
"""A request with one number."""
FEW = 10


@dataclass
class Load:
    """The answers received so far."""

    answers: Counter[float] = field(default_factory=Counter)
    """Number of answers by the first number in them."""
    failures: Counter[int | str] = field(default_factory=Counter)
    """Number of failures by status other than 200, or by the error that broke the connection."""

    async def ask(self, session: aiohttp.ClientSession, url: str, body: Mapping[str, Any] = ONE) -> None:
        """Send one request."""
        try:
            async with session.post(url, json=body) as response:
                if response.status == 200:
                    answer = await response.json(content_type=None)
                    self.answers[answer["outputs"][0]["data"][0]] += 1
                else:
                    await response.read()
                    self.failures[response.status] += 1
        except aiohttp.ClientError as error:
            self.failures[repr(error)] += 1

    async def is_on(self) -> bool:
        """Return whether the first clients were answered."""
        return self.answers.total() >= FEW


@asynccontextmanager
async def constant_load(
    url: str, body: Mapping[str, Any] = ONE, *, clients: int = 4, headers: Mapping[str, str] | None = None
) -> AsyncIterator[Load]:
    """Run clients that send a request after each answer. The block starts once the first were answered."""
    load = Load()

    async def client() -> None:
        async with aiohttp.ClientSession(headers=headers) as session:
            while True:
                await load.ask(session, url, body)

    tasks = [asyncio.create_task(client()) for _ in range(clients)]
    try:
        await eventually(load.is_on)
        yield load
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
