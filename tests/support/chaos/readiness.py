"""The readiness of the services, polled during the whole run."""

import asyncio
from dataclasses import dataclass, field

import aiohttp

from support.waiting import pause

from .world import SERVICES, World

EVERY_SECONDS = 0.25


@dataclass(frozen=True)
class Probe:
    """One answer of `/readyz`."""

    at: float
    part: str
    is_ready: bool
    reason: str


@dataclass
class Readiness:
    """Polls every service until it is cancelled."""

    world: World
    probes: list[Probe] = field(default_factory=list)

    async def run(self) -> None:
        """Run until cancelled."""
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as tasks:
            for part in SERVICES:
                tasks.create_task(self._ask(session, part))

    async def now(self) -> dict[str, str]:
        """Return each service that is not ready, and the reason."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            probes = [await self._probe(session, part) for part in SERVICES]
        return {probe.part: probe.reason for probe in probes if not probe.is_ready}

    @property
    def last_reasons(self) -> list[str]:
        """Return the last reason for which each service was not ready."""
        last = {each.part: each for each in self.probes if not each.is_ready and "Cannot connect" not in each.reason}
        return [f"{part} at {probe.at:.0f} s: {probe.reason}" for part, probe in last.items()]

    def saw_unready(self, part: str, since: float, until: float) -> bool:
        """Return whether a service reported unready for this reason in that time."""
        return any(
            probe.part == part and since <= probe.at <= until and not probe.is_ready and probe.reason
            for probe in self.probes
        )

    async def _ask(self, session: aiohttp.ClientSession, part: str) -> None:
        while True:
            self.probes.append(await self._probe(session, part))
            await pause(EVERY_SECONDS)

    async def _probe(self, session: aiohttp.ClientSession, part: str) -> Probe:
        url = self.world.addresses().get(part)
        if url is None:
            return Probe(self.world.timeline.now, part, is_ready=False, reason="it does not run")
        try:
            async with session.get(f"{url}/readyz") as response:
                body = await response.json()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Probe(self.world.timeline.now, part, is_ready=False, reason=repr(error))
        reason = "; ".join(body.get("problems", {}).values())
        return Probe(self.world.timeline.now, part, is_ready=response.status == 200, reason=reason)
