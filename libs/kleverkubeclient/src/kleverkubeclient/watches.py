"""The watches of a service, which run as long as it uses the cluster."""

from collections.abc import Iterable

from kleverkit.loops import BackgroundLoops, Loop

from .api import KubernetesApi
from .watched import Watched


class Watches:
    """Follows the cluster, and reports what cannot be followed or is not permitted.

    Args:
        api: the cluster.
        watched: the copies to keep up to date.
        loops: other loops that use the cluster.
    """

    def __init__(self, api: KubernetesApi, watched: Iterable[Watched] = (), loops: Iterable[Loop] = ()) -> None:
        self._api = api
        self._watched = list(watched)
        self._loops = BackgroundLoops([*(each.run for each in self._watched), *loops])

    async def run(self) -> None:
        """Run until cancelled. A loop that fails is restarted while the others continue."""
        await self._loops.run()

    async def problem(self) -> str | None:
        """Readiness check: what is not up to date, denied or failing; None if there is no such problem."""
        reasons = (*(each.problem for each in self._watched), self._api.denials.problem())
        return "; ".join(dict.fromkeys(filter(None, reasons))) or await self._loops.problem()
