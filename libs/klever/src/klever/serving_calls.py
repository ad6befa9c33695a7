"""The part of the SDK for servings."""

from collections.abc import AsyncGenerator, Callable
from typing import Any
from urllib.parse import quote

from kleverproto.envelope import Event
from kleverproto.rollouts import RolloutAction, RolloutPhase
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument, ServingPhase

from .answers import events_of
from .calls import Calls
from .errors import ApiError, FailedError
from .polling import until
from .progress import UNTAKEN, progress

NOT_FOUND = 404


class ServingCalls(Calls):
    """What can be done with servings."""

    async def servings(self, namespace: str | None = None) -> list[ServingDocument]:
        """Servings of a namespace, or of all. Raises ApiError."""
        path = "/servings" if namespace is None else f"/namespaces/{quote(namespace, safe='')}/servings"
        return await self._list(path, ServingDocument, {})

    async def serving(self, name: str, namespace: str = "default") -> ServingDocument | None:
        """One serving, or None. Raises ApiError."""
        try:
            return await self._get(_path(namespace, name), ServingDocument)
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    async def apply(
        self, name: str, spec: ServingSpec, namespace: str = "default", *, replacing: ServingDocument | None = None
    ) -> ServingDocument:
        """Ask for a spec to be served; what comes back is the document as it will be.

        Args:
            name: the serving.
            spec: what to serve.
            namespace: where.
            replacing: what the spec was made from; the request is refused if it has changed since.

        Raises:
            ApiError: the spec is not valid, a model is not there, or someone else was first.
        """
        headers = {"If-Match": str(replacing.generation)} if replacing else {}
        body = {"spec": spec.model_dump(mode="json", exclude_none=True)}
        return await self._read(ServingDocument, "PUT", _path(namespace, name), json=body, headers=headers)

    async def delete(self, name: str, namespace: str = "default") -> None:
        """Ask for a serving to go. Raises ApiError with status 404 where there is none."""
        await self._read(ServingDocument, "DELETE", _path(namespace, name))

    async def serving_events(self, name: str, namespace: str = "default") -> list[Event[Any]]:
        """The newest events of a serving, oldest first. Raises ApiError."""
        path = f"{_path(namespace, name)}/events"
        return events_of(await self._call("GET", path), self._url(path))

    async def steer(self, name: str, action: RolloutAction, namespace: str = "default") -> ServingDocument:
        """Pause, resume, promote or abort a rollout. Raises ApiError with status 409 where none is under way."""
        path = f"{_path(namespace, name)}/rollout"
        return await self._read(ServingDocument, "POST", path, json={"action": action.value})

    async def serving_log(
        self, name: str, namespace: str = "default", *, variant: str | None = None, follow: bool = False
    ) -> AsyncGenerator[str, None]:
        """What the model servers of a serving have written; with `follow` also what they will.

        Raises:
            ApiError: there is no such serving.
            UnreachableError: the platform does not answer, or the log breaks off.
        """
        params = {"follow": "true" if follow else "false", **({"variant": variant} if variant else {})}
        async for line in self._http.lines(self._url(f"{_path(namespace, name)}/logs"), params):
            yield line

    async def wait_for_ready(
        self,
        name: str,
        generation: int,
        namespace: str = "default",
        *,
        within: float = 120.0,
        on_step: Callable[[str], None] | None = None,
    ) -> ServingDocument:
        """The serving, once a generation is fully applied, or waits for someone to promote it.

        Args:
            name: the serving.
            generation: what `apply` told.
            namespace: where.
            within: seconds.
            on_step: called with what is waited for, whenever it is looked at.

        Raises:
            FailedError: the generation could not be applied or did not do well, or it took longer.
        """
        waits_for = UNTAKEN

        async def probe() -> ServingDocument | None:
            nonlocal waits_for
            found = await self.serving(name, namespace)
            if found is None or found.generation < generation:
                return None
            if _has_ended(found, generation):
                return found
            waits_for = progress(found, generation) or waits_for
            if on_step is not None:
                on_step(waits_for)
            return None

        found = await until(probe, within, lambda: f"{name} is not ready ({waits_for})")
        if found.status.phase is ServingPhase.FAILED:
            problem = found.status.problem
            raise FailedError(f"{name}: {problem.message if problem else 'it cannot be served'}")
        return found

    async def wait_for_rollout(
        self, name: str, generation: int, namespace: str = "default", *, within: float = 120.0
    ) -> ServingDocument:
        """The serving, once the rollout of a generation has ended, however it did, or another one took its place.

        Args:
            name: the serving.
            generation: what is rolled out.
            namespace: where.
            within: seconds.

        Raises:
            FailedError: it takes longer, or the serving is gone.
        """

        async def probe() -> ServingDocument | None:
            serving = await self.serving(name, namespace)
            if serving is None:
                raise FailedError(f"{name} was deleted before its rollout had ended")
            return serving if _is_rolled_out(serving, generation) else None

        return await until(probe, within, lambda: f"the rollout of {name} has not ended")

    async def wait_for_deleted(self, name: str, namespace: str = "default", *, within: float = 60.0) -> None:
        """Return once nothing of the serving is left. Raises FailedError."""

        async def probe() -> bool | None:
            return True if await self.serving(name, namespace) is None else None

        await until(probe, within, f"{name} is still there")


def _path(namespace: str, name: str) -> str:
    return f"/namespaces/{quote(namespace, safe='')}/servings/{quote(name, safe='')}"


def _is_rolled_out(serving: ServingDocument, generation: int) -> bool:
    rollout = serving.status.rollout
    if rollout is None or rollout.generation != generation:
        return True
    is_settled = serving.status.phase in {ServingPhase.READY, ServingPhase.FAILED}
    return is_settled and rollout.phase in {RolloutPhase.PROMOTED, RolloutPhase.ROLLED_BACK, RolloutPhase.FAILED}


def _has_ended(found: ServingDocument, generation: int) -> bool:
    status = found.status
    if status.phase is ServingPhase.READY:
        return status.observed_generation >= generation
    waits = status.rollout is not None and status.rollout.phase is RolloutPhase.WAITING
    ours = status.rollout is not None and status.rollout.generation == found.generation
    return status.phase is ServingPhase.FAILED or (waits and ours)
