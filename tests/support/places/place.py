"""A place as users and scenarios use it."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from kleverproto.servings import ServingDocument
from support.commands import Done, Shell
from support.constant_load import ONE
from support.waiting import eventually
from support.whole_platform import Platform

from .substrate import Substrate


@dataclass(frozen=True)
class Place:
    """A platform, and where it serves.

    Attributes:
        shell: runs `klever` and `ormb`.
        platform: the running platform.
        namespace: namespace of the servings of scenarios.
        substrate: runs the replicas.
    """

    shell: Shell
    platform: Platform
    namespace: str
    substrate: Substrate

    def new_name(self) -> str:
        """A name for a serving or a model that no other test uses."""
        return f"adder-{secrets.token_hex(3)}"

    async def push(self, directory: Path, ref: str) -> str:
        """Pushes a model, and waits until it is parsed; returns its digest."""
        digest = await self.platform.push(directory, ref)

        async def is_parsed() -> bool:
            return (await self.platform.parsed(ref)).spec.digest == digest

        await eventually(is_parsed, within=60)
        return digest

    async def klever(self, command: str, name: str, options: str = "") -> str:
        """Runs a command for a serving, which must succeed; returns its output."""
        return await self.shell.ok(f"klever {command} {name} -n {self.namespace} {options}")

    async def apply(self, name: str, spec: dict[str, Any], options: str = "") -> Done:
        """Runs `klever apply` with a serving document."""
        document = {
            "apiVersion": "klever.dev/v1alpha1",
            "kind": "Serving",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        }
        file = self.shell.directory / f"{name}.yaml"
        file.write_text(yaml.safe_dump(document))
        return await self.shell.run(f"klever apply -f {file} {options}")

    async def applied(self, name: str, spec: dict[str, Any]) -> ServingDocument:
        """Applies a document, and waits until the serving is ready."""
        done = await self.apply(name, spec)
        assert done.code == 0, done
        return await self.serving(name)

    async def serving(self, name: str) -> ServingDocument:
        """The document of a serving."""
        async with self.platform.client() as client:
            serving = await client.serving(name, self.namespace)
        assert serving is not None
        return serving

    async def url(self, name: str) -> str:
        """The URL of a serving."""
        url = (await self.serving(name)).status.url
        assert url is not None
        return url

    async def undeploy(self, name: str) -> None:
        """Removes a serving, and does not wait until its replicas have stopped."""
        await self.klever("undeploy", name, "--no-wait")

    @asynccontextmanager
    async def requests(self, name: str, cookies: aiohttp.CookieJar | None = None) -> AsyncIterator["Requests"]:
        """Sends requests to a serving, by default without cookies."""
        url = await self.url(name)
        async with aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar() if cookies is None else cookies
        ) as session:
            yield Requests(session, url)


@dataclass(frozen=True)
class Answer:
    """The response to a request of one number."""

    status: int
    content: dict[str, Any]
    headers: Mapping[str, str]

    @property
    def value(self) -> float | None:
        """The predicted number; None if the request failed."""
        return float(self.content["outputs"][0]["data"][0]) if self.content else None


@dataclass(frozen=True)
class Requests:
    """Requests to one serving."""

    session: aiohttp.ClientSession
    url: str

    async def ask(self, **headers: str) -> Answer:
        """Sends the number 1. Underscores in names of headers stand for hyphens."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.post(self.url, json=ONE, headers=given) as response:
            content = await response.json(content_type=None) if response.status == 200 else {}
            return Answer(response.status, content, response.headers)

    async def values(self, number: int, **headers: str) -> list[float | None]:
        """The values of several requests in a row."""
        return [(await self.ask(**headers)).value for _ in range(number)]
