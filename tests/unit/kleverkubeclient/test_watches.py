"""Readiness reports the copies that are not up to date, denials, and failing loops."""

from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.resources import JOBS, PODS
from kleverkubeclient.watched import Watched
from kleverkubeclient.watches import Watches

DENIED = 'cannot watch resource "pods"'


async def test_problems_of_copies_and_denials_are_reported_once_each() -> None:
    api = KubernetesApi()
    jobs, pods = (Watched(api, resource, "", lambda _each: None) for resource in (JOBS, PODS))
    watches = Watches(api, (jobs, pods))
    assert await watches.problem() is None
    pods.problem = DENIED
    api.denials.note("GET /api/v1/pods", DENIED)
    assert await watches.problem() == DENIED
    jobs.problem = "the API server does not respond"
    assert await watches.problem() == f"the API server does not respond; {DENIED}"
