"""The methods of the SDK that wait for servings."""

from collections.abc import Callable

from kleverproto.rollouts import RolloutPhase
from kleverproto.servings import ServingDocument, ServingPhase

from .errors import FailedError
from .polling import until
from .progress import ACCEPTED, progress
from .serving_calls import ServingCalls


class ServingWaits(ServingCalls):
    """Waits for the result of a request."""

    async def wait_for_ready(
        self,
        name: str,
        generation: int,
        namespace: str = "default",
        *,
        within: float = 120.0,
        on_step: Callable[[str], None] | None = None,
    ) -> ServingDocument:
        """Wait until a generation is fully applied, or waits for promotion. Returns the serving.

        Args:
            name: the serving.
            generation: of the document that the request returned.
            namespace: of the serving.
            within: timeout in seconds.
            on_step: called with the pending condition at each poll.

        Raises:
            FailedError: the generation cannot be applied, is unhealthy, or the wait timed out.
        """
        waits_for = ACCEPTED

        async def probe() -> ServingDocument | None:
            nonlocal waits_for
            serving = await self.serving(name, namespace)
            if serving is None or serving.generation < generation:
                return None
            if _has_ended(serving, generation):
                return serving
            waits_for = progress(serving, generation) or waits_for
            if on_step is not None:
                on_step(waits_for)
            return None

        serving = await until(probe, within, lambda: f"{name} is not ready ({waits_for})")
        if serving.status.phase is ServingPhase.FAILED:
            problem = serving.status.problem
            raise FailedError(f"{name}: {problem.message if problem else 'it cannot be served'}")
        return serving

    async def wait_for_rollout(
        self, name: str, generation: int, namespace: str = "default", *, within: float = 120.0
    ) -> ServingDocument:
        """Wait until the rollout of a generation has finished or was replaced. Returns the serving.

        Args:
            name: the serving.
            generation: of the rollout.
            namespace: of the serving.
            within: timeout in seconds.

        Raises:
            FailedError: the wait timed out, or the serving was deleted.
        """

        async def probe() -> ServingDocument | None:
            serving = await self.serving(name, namespace)
            if serving is None:
                raise FailedError(f"{name} was deleted before its rollout finished")
            return serving if _is_rolled_out(serving, generation) else None

        return await until(probe, within, lambda: f"the rollout of {name} has not finished")

    async def wait_for_deleted(self, name: str, namespace: str = "default", *, within: float = 60.0) -> None:
        """Wait until all of a serving is deleted. Raises FailedError."""

        async def probe() -> bool | None:
            return True if await self.serving(name, namespace) is None else None

        await until(probe, within, f"{name} still exists")


def _is_rolled_out(serving: ServingDocument, generation: int) -> bool:
    rollout = serving.status.rollout
    if rollout is None or rollout.generation != generation:
        return True
    is_settled = serving.status.phase in {ServingPhase.READY, ServingPhase.FAILED}
    return is_settled and rollout.phase in {RolloutPhase.PROMOTED, RolloutPhase.ROLLED_BACK, RolloutPhase.FAILED}


def _has_ended(serving: ServingDocument, generation: int) -> bool:
    status = serving.status
    if status.phase is ServingPhase.READY:
        return status.observed_generation >= generation
    waits = status.rollout is not None and status.rollout.phase is RolloutPhase.WAITING
    ours = status.rollout is not None and status.rollout.generation == serving.generation
    return status.phase is ServingPhase.FAILED or (waits and ours)
