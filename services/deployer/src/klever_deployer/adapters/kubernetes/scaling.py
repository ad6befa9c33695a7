"""Numbers of replicas that autoscalers of a cluster determine."""

from collections.abc import Callable, Collection

from kleverkit.notices import Notices
from kleverroutes.versions import Deployment, ServingName, VersionKey


class ClusterScaling:
    """See `ports.Scaling`: an autoscaler sets the number in the Deployment, from which it is read.

    Args:
        number: the number of replicas in the Deployment of a version; None if there is no Deployment.
    """

    def __init__(self, number: Callable[[VersionKey], int | None]) -> None:
        self._number = number
        self._scaled: dict[VersionKey, Deployment] = {}
        self._numbers: dict[VersionKey, int] = {}
        self._changed: Notices[ServingName] = Notices()

    async def declare(self, serving: ServingName, deployments: Collection[Deployment]) -> dict[VersionKey, int]:
        """See `Scaling`. A version begins with the recorded number, until its Deployment has another one."""
        before = {key for key in self._scaled if key.serving == serving}
        wanted = {each.key(serving): each for each in deployments if each.variant.autoscaling is not None}
        for key in before - wanted.keys():
            del self._scaled[key]
            del self._numbers[key]
        self._scaled |= wanted
        for key, each in wanted.items():
            if key not in before:
                self._numbers[key] = each.replicas
                self._compare(key)
            elif (number := self._number(key)) is not None:
                self._numbers[key] = number
        return {key: _within(each, self._numbers[key]) for key, each in wanted.items()}

    async def changed(self) -> set[ServingName]:
        """See `Scaling`."""
        return await self._changed.take()

    def on_change(self, version: VersionKey) -> None:
        """Compare the number of replicas with a Deployment that has changed."""
        if version in self._scaled:
            self._compare(version)

    def reset(self) -> None:
        """Scale nothing."""
        self._scaled.clear()
        self._numbers.clear()

    def _compare(self, key: VersionKey) -> None:
        number, scaled = self._number(key), self._scaled[key]
        if number is not None and _within(scaled, number) != _within(scaled, self._numbers[key]):
            self._changed.add(key.serving)


def _within(deployment: Deployment, number: int) -> int:
    autoscaling = deployment.variant.autoscaling
    if autoscaling is None:
        return number
    return min(max(number, autoscaling.min_replicas), autoscaling.max_replicas)
