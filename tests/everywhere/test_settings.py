"""The settings of variants and requests have the same effect on a laptop and on a cluster."""

from typing import Any

import pytest

from support.places.place import Place

pytestmark = pytest.mark.timeout(300)


def own(place: Place, ref: str, **fields: Any) -> dict[str, Any]:
    """A document with one variant, which brings its own server."""
    variant = {"name": "own", "model": ref, "custom": place.substrate.custom("server.py")}
    return {"variants": [variant | fields]}


async def test_server_of_the_model_gets_variables_and_secrets(place: Place, own_server: str) -> None:
    name = place.new_name()
    await place.substrate.set_secret(name, "open-sesame")
    env = {"VALUE": "7", "SECRET_WORD": {"secret": name}}
    await place.applied(name, own(place, own_server, env=env, resources={"cpu": "500m", "memory": "256Mi"}))
    async with place.requests(name) as requests:
        answer = await requests.ask()
        assert (answer.value, answer.content["secret"]) == (7, "open-sesame")
    await place.undeploy(name)


async def test_timeout_of_a_request_is_that_of_the_document(place: Place, own_server: str) -> None:
    name = place.new_name()
    await place.applied(name, own(place, own_server) | {"timeouts": {"requestSeconds": 1}})
    async with place.requests(name) as requests:
        assert (await requests.ask()).status == 200
        assert (await requests.ask(x_seconds="20")).status == 504
    await place.undeploy(name)


async def test_failed_responses_are_retried_as_the_document_says(place: Place, own_server: str) -> None:
    name = place.new_name()
    await place.applied(name, own(place, own_server) | {"retries": {"attempts": 2, "onServerError": True}})
    async with place.requests(name) as requests:
        assert (await requests.ask(x_failures="2", x_id="a")).status == 200
        assert (await requests.ask(x_failures="9", x_id="b")).status == 503
        await place.applied(name, own(place, own_server) | {"retries": {"attempts": 0}})
        assert (await requests.ask(x_failures="1", x_id="c")).status == 503
    await place.undeploy(name)


async def test_options_of_the_runtime_are_those_of_the_document(place: Place, adders: str) -> None:
    name = place.new_name()
    variant = {"name": "v1", "model": f"{adders}:v1", "parameters": {"maxBatchRows": 8}}
    await place.applied(name, {"variants": [variant]})
    [process] = place.substrate.processes(name)
    assert '{"maxBatchRows": 8}' in process.cmdline()
    await place.undeploy(name)
