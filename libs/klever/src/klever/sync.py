"""The SDK without async, for notebooks and scripts. Each call opens and closes its own connections."""

from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from ormb.blocking import iterate_with, run_with

from .client import KleverClient
from .servers import find_gateway

ArgumentsT = ParamSpec("ArgumentsT")
ResultT = TypeVar("ResultT")


def _blocking(
    method: Callable[Concatenate[KleverClient, ArgumentsT], Coroutine[Any, Any, ResultT]],
) -> Callable[Concatenate["Klever", ArgumentsT], ResultT]:
    """Return a blocking version of a method of `KleverClient`."""

    @wraps(method)
    def call(self: "Klever", /, *args: ArgumentsT.args, **options: ArgumentsT.kwargs) -> ResultT:
        return run_with(self._client, lambda client: method(client, *args, **options))

    return call


def _iterating(
    method: Callable[Concatenate[KleverClient, ArgumentsT], AsyncGenerator[ResultT, None]],
) -> Callable[Concatenate["Klever", ArgumentsT], Iterator[ResultT]]:
    """Return an iterator for a method of `KleverClient` that is an async generator."""

    @wraps(method)
    def call(self: "Klever", /, *args: ArgumentsT.args, **options: ArgumentsT.kwargs) -> Iterator[ResultT]:
        return iterate_with(self._client, lambda client: method(client, *args, **options))

    return call


class Klever:
    """A platform. Every method corresponds to the method of the same name of `KleverClient`.

    Args:
        server: URL of the gateway; default is `$KLEVER_SERVER`, or the platform that runs with this home.
        token: the token of the gateway; see `KleverClient`.

    Raises:
        InputError: the URL is invalid.
        PlatformError: no gateway is configured, and no platform runs with this home.
    """

    def __init__(self, server: str | None = None, token: str | None = None) -> None:
        self._gateway = find_gateway(server, token)
        self.server = self._gateway.url

    def _client(self) -> KleverClient:
        return KleverClient(self.server, self._gateway.token)

    platform = _blocking(KleverClient.platform)
    login_link = _blocking(KleverClient.login_link)
    events = _iterating(KleverClient.events)

    models = _blocking(KleverClient.models)
    model = _blocking(KleverClient.model)
    wait_for_signature = _blocking(KleverClient.wait_for_signature)
    delete_model = _blocking(KleverClient.delete_model)
    delete_versions = _blocking(KleverClient.delete_versions)
    wait_for_model_deleted = _blocking(KleverClient.wait_for_model_deleted)
    rebuild_catalogue = _blocking(KleverClient.rebuild_catalogue)
    policy = _blocking(KleverClient.policy)
    set_policy = _blocking(KleverClient.set_policy)

    jobs = _blocking(KleverClient.jobs)
    job = _blocking(KleverClient.job)
    job_events = _blocking(KleverClient.job_events)
    job_log = _iterating(KleverClient.job_log)
    create_job = _blocking(KleverClient.create_job)
    cancel_job = _blocking(KleverClient.cancel_job)
    retry_job = _blocking(KleverClient.retry_job)
    delete_job = _blocking(KleverClient.delete_job)
    wait_for_job = _blocking(KleverClient.wait_for_job)

    deploy = _blocking(KleverClient.deploy)
    undeploy = _blocking(KleverClient.undeploy)
    predict = _blocking(KleverClient.predict)
    predict_at = _blocking(KleverClient.predict_at)
    infer = _blocking(KleverClient.infer)
    servings = _blocking(KleverClient.servings)
    serving = _blocking(KleverClient.serving)
    apply = _blocking(KleverClient.apply)
    deploy_version = _blocking(KleverClient.deploy_version)
    preview_spec = _blocking(KleverClient.preview_spec)
    preview_version = _blocking(KleverClient.preview_version)
    change_traffic = _blocking(KleverClient.change_traffic)
    scale = _blocking(KleverClient.scale)
    roll_back = _blocking(KleverClient.roll_back)
    delete = _blocking(KleverClient.delete)
    steer = _blocking(KleverClient.steer)
    serving_events = _blocking(KleverClient.serving_events)
    serving_log = _iterating(KleverClient.serving_log)
    wait_for_ready = _blocking(KleverClient.wait_for_ready)
    wait_for_rollout = _blocking(KleverClient.wait_for_rollout)
    wait_for_deleted = _blocking(KleverClient.wait_for_deleted)
