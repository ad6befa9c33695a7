"""The Prometheus of a platform that was started with `klever up --observe`."""

import math
from typing import Any

import aiohttp

from support.whole_platform import Platform

USER = "klever"


class Prometheus:
    """Its HTTP API, with the platform's login."""

    def __init__(self, platform: Platform, session: aiohttp.ClientSession) -> None:
        self._session = session
        self.url = platform.state["parts"]["prometheus"]["url"]

    @classmethod
    def session(cls, platform: Platform) -> aiohttp.ClientSession:
        """A session that logs in."""
        return aiohttp.ClientSession(headers={"Authorization": aiohttp.encode_basic_auth(USER, platform.token)})

    async def get(self, path: str, **parameters: str) -> Any:
        """The data of a response of the API."""
        async with self._session.get(f"{self.url}/api/v1/{path}", params=parameters) as response:
            body = await response.json()
            assert body["status"] == "success", body
            return body["data"]

    async def text(self, path: str) -> str:
        """A page."""
        async with self._session.get(f"{self.url}/{path}") as response:
            assert response.status == 200, await response.text()
            return await response.text()

    async def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The results of an expression that are numbers, with their labels."""
        data = await self.get("query", query=expression)
        values = [(each["metric"], float(each["value"][1])) for each in data["result"]]
        return [(labels, value) for labels, value in values if not math.isnan(value)]

    async def names(self) -> set[str]:
        """The names of all metrics."""
        return set(await self.get("label/__name__/values"))

    async def scrapes_all(self) -> bool:
        """Return whether the last scrape of every job was successful."""
        targets = (await self.get("targets", state="active"))["activeTargets"]
        return {target["health"] for target in targets} == {"up"}
