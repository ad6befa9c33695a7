"""The SDK without async, against a stub of the gateway."""

from collections.abc import Iterator

import pytest

from klever import Klever
from klever.errors import ApiError
from support.stub_gateway import stub_gateway

LINES = ["v1/0 | one", "v1/0 | two"]
ANSWERS = {
    "/namespaces/default/servings/iris/logs": "".join(f"{line}\n" for line in LINES),
    "/platform": {"version": "7", "urls": {}},
}


@pytest.fixture
def klever() -> Iterator[Klever]:
    with stub_gateway(ANSWERS) as url:
        yield Klever(url)


def test_the_client_returns_results_and_raises_errors(klever: Klever) -> None:
    assert klever.platform()["version"] == "7"
    assert klever.serving("nothing") is None
    with pytest.raises(ApiError, match="there is none"):
        klever.job("nothing")


def test_lines_are_yielded_one_by_one_and_iteration_may_stop_early(klever: Klever) -> None:
    assert list(klever.serving_log("iris")) == LINES
    assert next(iter(klever.serving_log("iris"))) == LINES[0]


async def test_the_client_works_inside_a_running_event_loop_as_in_a_notebook(klever: Klever) -> None:
    assert klever.platform()["version"] == "7"
    assert list(klever.serving_log("iris")) == LINES
