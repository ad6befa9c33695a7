"""One run: users, faults, the end of both, and the verdict."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from support.waiting import pause

from .deck import shuffled
from .faults import Fault
from .judging import UNREACHABLE, violations
from .listener import Listener
from .readiness import Readiness
from .users import STEADY, Users
from .world import World

FIRST_REF = "chaos/steady:v1"
RECOVERY_SECONDS = 30.0
"""Seconds after a fault of the data plane."""
NOTICE_SECONDS = 3.0
"""Seconds after a fault in which a service may still report that it was not ready."""
SETTLE_SECONDS = 150.0
"""Seconds for everything to recover once the faults are over."""


@dataclass(frozen=True)
class Happened:
    """A fault that was injected."""

    fault: Fault
    text: str
    since: float
    until: float


@dataclass
class Campaign:
    """Faults against a platform under load.

    Args:
        world: the platform, running.
        users: clients that use it.
        readiness: the readiness reported by its services.
        listener: a client that follows its events.
        seed: determines the sequence of faults.
        faults: the kinds of faults.
        seconds: the duration.
    """

    world: World
    users: Users
    readiness: Readiness
    listener: Listener
    seed: str
    faults: tuple[Fault, ...]
    seconds: float
    happened: list[Happened] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    async def run(self) -> list[str]:
        """Run the campaign and return a description of everything that was wrong or still is."""
        watching = asyncio.create_task(self.readiness.run())
        listening = asyncio.create_task(self.listener.run())
        try:
            await self._begin()
            using = asyncio.create_task(self.users.run())
            await self._go_wrong()
            self.world.timeline.say("no more faults; the users finish what they have begun")
            self.users.is_stopping.set()
            await asyncio.wait({using}, timeout=SETTLE_SECONDS)
            unfinished = [] if using.done() else ["users still wait for an answer"]
            await _end(using)
            return [*unfinished, *self._failed_predictions(), *self._untruthful(), *await self._settled()]
        finally:
            await _end(watching)
            await _end(listening)

    @property
    def summary(self) -> str:
        """Return a summary in one line."""
        ledger = self.world.ledger
        kinds = len({each.fault.name for each in self.happened})
        return (
            f"chaos: seed {self.seed}, {self.world.timeline.now:.0f} s, {len(self.happened)} faults of {kinds} kinds, "
            f"{len(ledger.versions)} versions, {len(ledger.servings)} servings, {len(ledger.jobs)} jobs, "
            f"{self.users.answers} predictions, {len(self.listener.known)} live events, "
            f"{ledger.excused} requests excused by a lost stream"
        )

    async def _begin(self) -> None:
        """Deploy an initial serving, so that there is state to lose."""
        await self.users.push(FIRST_REF)
        await self.world.platform.parsed(FIRST_REF)
        await self.users.deploy(STEADY, FIRST_REF)
        if wrong := await self._settled():
            raise AssertionError("\n".join(["before the first fault", *wrong]))
        self.world.timeline.say("one model is served")

    async def _go_wrong(self) -> None:
        end = self.world.timeline.now + self.seconds
        for fault, random in shuffled(self.faults, self.seed):
            calm, lasts = random.uniform(2, 4), random.uniform(*fault.lasts)
            if self.world.timeline.now + calm + lasts > end:
                return
            await pause(calm)
            await self._commit(fault, random, lasts)

    async def _commit(self, fault: Fault, random: Random, lasts: float) -> None:
        if (fault.needs == "disks" and not self.world.disks) or (fault.needs == "clock" and self.world.clock is None):
            self.left_out[fault.needs] += 1
            return
        since = self.world.timeline.now
        async with fault.act(self.world, random) as text:
            self.world.timeline.say(f"{text}{f', for {lasts:.1f} s' if lasts else ''}")
            await pause(lasts)
        self.happened.append(Happened(fault, text, since, self.world.timeline.now))

    async def _settled(self) -> list[str]:
        """Return what is still wrong after the platform had time to recover."""
        deadline = self.world.timeline.now + SETTLE_SECONDS
        while True:
            try:
                problems = await violations(self.world, self.readiness, self.listener)
            except UNREACHABLE as error:
                problems = [f"the platform does not answer: {error!r}"]
            if not problems or self.world.timeline.now > deadline:
                return problems
            await pause(1)

    def _failed_predictions(self) -> list[str]:
        hits = [(each.since, each.until + RECOVERY_SECONDS) for each in self.happened if each.fault.hits_serving]
        unexplained = Counter(
            f"{failure} at {at:.0f} s"
            for at, failure in self.users.failures
            if not any(since <= at <= until for since, until in hits)
        )
        return [
            f"a prediction failed though its serving was left alone: {text} ({n})" for text, n in unexplained.items()
        ]

    def _untruthful(self) -> list[str]:
        return [
            f"the {part} never said that it was not ready at {each.since:.0f} s: {each.text}"
            for each in self.happened
            for part in sorted(each.fault.unready)
            if not self.readiness.saw_unready(part, each.since, each.until + NOTICE_SECONDS)
        ] + [f"a request was refused: {text}" for text in self.world.ledger.refusals]


async def _end(task: "asyncio.Task[None]") -> None:
    """Cancel a running task; raise its exception if it has failed."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()
