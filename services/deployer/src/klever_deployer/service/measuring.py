"""Measures the new version in one step of a rollout."""

import time
from collections.abc import Awaitable, Callable

from klever_deployer.domain.analysis import Counts, Unmeasured, difference, measurement
from klever_deployer.errors import DataPlaneError
from kleverproto.rollouts import Measurement


class StepMeasurement:
    """The requests since a step began.

    A collector of metrics lags behind: counters that it collected before the step began are no beginning, since
    requests of the step before would be judged as requests of this one.

    Args:
        read: the counters of the new version. Raises DataPlaneError.
        clock: monotonic seconds.
    """

    def __init__(self, read: Callable[[], Awaitable[Counts]], clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._since = clock()
        self._first: Counts | None = None

    async def begin(self) -> None:
        """Begin a step: only requests from now on are measured."""
        self._since = self._clock()
        self._first = None
        await self.measure()

    async def measure(self) -> Measurement | Unmeasured:
        """The measurement since the step began."""
        elapsed = self._clock() - self._since
        try:
            counts = await self._read()
        except DataPlaneError as error:
            return Unmeasured(str(error))
        if self._first is None and counts.age <= elapsed:
            self._first = counts
        return measurement(difference(self._first, counts) if self._first is not None else Counts())
